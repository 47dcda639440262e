// SPDX-License-Identifier: Apache-2.0
//
// What precedes a message on its way to a client of a WebSocket: RFC 6455, section 5.2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace framering::websocket {

enum class MessageKind : std::uint8_t { text = 1, binary = 2 };  // as on the wire

struct MessageHead {
  std::array<std::byte, 10> bytes{};
  std::size_t size = 0;  // so much of it is used
};

// Of a message of `size` bytes, sent whole and, as a server has to, without a mask.
[[nodiscard]] MessageHead message_head(MessageKind kind, std::uint64_t size) noexcept;

}  // namespace framering::websocket
