// SPDX-License-Identifier: Apache-2.0
#include "message_head.h"

namespace framering::websocket {

namespace {

constexpr std::byte kLast{0x80};  // no fragment follows
// The second byte is the length, or says how many bytes hold it.
constexpr std::uint64_t kMaxShort = 125, kMax16 = 0xffff;
constexpr std::byte kIn16Bits{126}, kIn64Bits{127};

}  // namespace

MessageHead message_head(MessageKind kind, std::uint64_t size) noexcept {
  MessageHead head;
  head.bytes[0] = kLast | static_cast<std::byte>(kind);
  head.size = 2;
  if (size <= kMaxShort) {
    head.bytes[1] = static_cast<std::byte>(size);
    return head;
  }
  head.bytes[1] = size <= kMax16 ? kIn16Bits : kIn64Bits;
  head.size += size <= kMax16 ? 2 : 8;
  for (std::size_t at = head.size; at > 2; size >>= 8)  // big-endian
    head.bytes[--at] = static_cast<std::byte>(size & 0xff);
  return head;
}

}  // namespace framering::websocket
