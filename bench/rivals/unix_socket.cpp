// SPDX-License-Identifier: Apache-2.0
//
// A Unix socket for each reader, as stream and as SOCK_SEQPACKET, and blocking writes.
#include <sys/socket.h>

#include <algorithm>
#include <system_error>

#include "byte_stream.h"

namespace framering::bench {
namespace {

// A message must fit into the send buffer, of which net.core.wmem_max allows anybody 208 KiB.
constexpr std::size_t kPacket = 128u << 10;
constexpr int kSendBuffer = 208 << 10;

std::vector<Ends> pairs(int type, std::uint32_t count) {
  std::vector<Ends> all;
  for (std::uint32_t i = 0; i < count; ++i) {
    int ends[2];
    if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
      throw std::system_error(errno, std::generic_category(), "socketpair");
    }
    ::setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    all.push_back({Fd(ends[0]), Fd(ends[1])});
  }
  return all;
}

template <int type>
std::unique_ptr<Rival> make(const Terms& terms) {
  const std::size_t piece =
      type == SOCK_SEQPACKET ? std::min<std::size_t>(kPacket, terms.bytes) : terms.bytes;
  return std::make_unique<ByteStream>(terms, pairs(type, terms.readers), piece);
}

}  // namespace

std::vector<RivalInfo> unix_socket_lanes() {
  return {{"unix-stream", "Unix stream", Kind::rival, false, true, make<SOCK_STREAM>, "",
           "one socket for each reader, SO_SNDBUF 208 KiB (wmem_max), blocking write and read"},
          {"unix-seqpacket", "Unix seqpacket", Kind::rival, false, true, make<SOCK_SEQPACKET>, "",
           "the same, a frame in messages of at most 128 KiB"}};
}

}  // namespace framering::bench
