// SPDX-License-Identifier: Apache-2.0
//
// The binary messages of the direct protocol (NanoKVM's H.264 over WebSocket), and ours on top of
// it; README.md says what they mean.
//
//   server to client   0      1              9                17
//                      │ kind │ timestamp_us │ Annex-B access unit          kind 1: key, 0: not
//                      │ kind │ timestamp_us │ media_time_us  │ fragment    at mp4; kind 2: init
//   client to server   │ 2    │ timestamp_us │              everything up to here is dealt with
//                      │ 3    │                             lost: go on at a key frame
//                      │ 4    │                             pause                       ours
//                      │ 5    │                             go on                       ours
//                      │ 6    │ any u64      │              what time is it?            ours
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
inline constexpr std::size_t kMp4HeaderBytes = 17;
inline constexpr std::size_t kMaxClientMessageBytes = 64;

// Room for both; `size` says how much of it is used.
struct FrameHeader {
  std::array<std::byte, kMp4HeaderBytes> bytes{};
  std::size_t size = 0;
};

[[nodiscard]] FrameHeader direct_header(const EncodedFrame& frame) noexcept;
[[nodiscard]] FrameHeader mp4_header(const EncodedFrame& fragment) noexcept;
[[nodiscard]] FrameHeader mp4_init_header() noexcept;

struct ClientMessage {
  enum class Kind : std::uint8_t { unknown, acknowledge, resync, pause, resume, clock };
  Kind kind = Kind::unknown;
  std::uint64_t number = 0;  // an acknowledgement's timestamp_us; what `clock` wants back
};

// Unknown: not a message of this protocol, or of the wrong length.
[[nodiscard]] ClientMessage parse_client_message(std::span<const std::byte> message) noexcept;

}  // namespace framering::websocket
