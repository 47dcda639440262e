// SPDX-License-Identifier: Apache-2.0
//
// A pipe for each reader, and blocking writes.
#include <fcntl.h>
#include <unistd.h>

#include <system_error>

#include "byte_stream.h"

namespace framering::bench {
namespace {

constexpr int kPipeBytes = 1 << 20;  // fs.pipe-max-size: what anybody may have

std::unique_ptr<Rival> make(const Terms& terms) {
  std::vector<Ends> all;
  for (std::uint32_t i = 0; i < terms.readers; ++i) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::system_error(errno, std::generic_category(), "pipe2");
    }
    ::fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
    all.push_back({Fd(ends[1]), Fd(ends[0])});
  }
  return std::make_unique<ByteStream>(terms, std::move(all), terms.bytes);
}

}  // namespace

std::vector<RivalInfo> pipe_lanes() {
  return {{"pipe", "pipe", Kind::rival, false, true, make, "",
           "one pipe of 1 MiB for each reader, blocking write and read"}};
}

}  // namespace framering::bench
