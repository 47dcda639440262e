// SPDX-License-Identifier: Apache-2.0
//
// The binary messages of the direct protocol (NanoKVM's H.264 over WebSocket).
//
//   server to client   0     1              9
//                      │ key │ timestamp_us │ Annex-B access unit      key: 1 or 0
//   client to server   │ 2   │ timestamp_us │                          everything up to here is
//   done
//                      │ 3   │                                         lost: go on at a key frame
//
// Integers are little-endian.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "encoded_frame.h"

namespace framering::websocket {

inline constexpr std::size_t kDirectHeaderBytes = 9;
inline constexpr std::size_t kMaxClientMessageBytes = 64;

[[nodiscard]] std::array<std::byte, kDirectHeaderBytes> direct_header(
    const EncodedFrame& frame) noexcept;

struct ClientMessage {
  enum class Kind : std::uint8_t { unknown, acknowledge, resync };
  Kind kind = Kind::unknown;
  std::uint64_t timestamp_us = 0;  // of an acknowledgement
};

// Unknown: not a message of this protocol, or of the wrong length.
[[nodiscard]] ClientMessage parse_client_message(std::span<const std::byte> message) noexcept;

}  // namespace framering::websocket
