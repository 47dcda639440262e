// SPDX-License-Identifier: Apache-2.0
#include "direct_message.h"

#include <cstring>

#include "ring_layout.h"  // asserts that this machine is little-endian, as the messages are

namespace framering::websocket {

namespace {

enum FrameKind : std::uint8_t { kDelta = 0, kKey = 1, kInit = 2 };

FrameHeader header_of(FrameKind kind, std::uint64_t timestamp_us) noexcept {
  FrameHeader header;
  header.bytes[0] = static_cast<std::byte>(kind);
  std::memcpy(&header.bytes[1], &timestamp_us, sizeof timestamp_us);
  header.size = kDirectHeaderBytes;
  return header;
}

FrameHeader with_media_time(FrameHeader header, std::uint64_t media_time_us) noexcept {
  std::memcpy(&header.bytes[kDirectHeaderBytes], &media_time_us, sizeof media_time_us);
  header.size = kMp4HeaderBytes;
  return header;
}

}  // namespace

FrameHeader direct_header(const EncodedFrame& frame) noexcept {
  return header_of(frame.key ? kKey : kDelta, frame.timestamp_us);
}

FrameHeader mp4_header(const EncodedFrame& fragment) noexcept {
  return with_media_time(direct_header(fragment), fragment.media_time_us);
}

FrameHeader mp4_init_header() noexcept {
  return with_media_time(header_of(kInit, 0), 0);
}

ClientMessage parse_client_message(std::span<const std::byte> message) noexcept {
  using Kind = ClientMessage::Kind;
  ClientMessage parsed;
  if (message.empty()) return parsed;
  const auto kind = std::to_integer<unsigned>(message[0]);
  if (message.size() == 1) {
    if (kind == 3) parsed.kind = Kind::resync;
    if (kind == 4) parsed.kind = Kind::pause;
    if (kind == 5) parsed.kind = Kind::resume;
  } else if (message.size() == 1 + sizeof parsed.number && (kind == 2 || kind == 6)) {
    parsed.kind = kind == 2 ? Kind::acknowledge : Kind::clock;
    std::memcpy(&parsed.number, &message[1], sizeof parsed.number);
  }
  return parsed;
}

}  // namespace framering::websocket
