// SPDX-License-Identifier: Apache-2.0
#include "control/line.h"

#include <sys/socket.h>

#include <cerrno>

namespace framering {

namespace {
constexpr int kMostReceives = 16;
}  // namespace

Heard hear_line(int line) noexcept {
  Heard heard = Heard::nothing;
  for (int i = 0; i < kMostReceives; ++i) {
    char bytes[256];
    iovec part{bytes, sizeof bytes};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    const ssize_t seen = ::recvmsg(line, &header, MSG_DONTWAIT | MSG_PEEK);
    if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return heard;
    // Descriptors have no business here. Receiving would drop them in this thread, which may hang
    // (disposer.h); a look at them does not.
    if (seen <= 0 || (header.msg_flags & MSG_CTRUNC) != 0) return Heard::end;
    // No byte more than was looked at.
    if (::recv(line, bytes, static_cast<std::size_t>(seen), MSG_DONTWAIT) <= 0) return heard;
    heard = Heard::nudge;
    if (seen < static_cast<ssize_t>(sizeof bytes)) return heard;
  }
  return heard;
}

}  // namespace framering
