// SPDX-License-Identifier: Apache-2.0
#include "direct_message.h"

#include <cstring>

#include "ring_layout.h"  // asserts that this machine is little-endian, as the messages are

namespace framering::websocket {

namespace {

constexpr std::byte kAcknowledge{2};
constexpr std::byte kResync{3};

}  // namespace

std::array<std::byte, kDirectHeaderBytes> direct_header(const EncodedFrame& frame) noexcept {
  std::array<std::byte, kDirectHeaderBytes> header;
  header[0] = frame.key ? std::byte{1} : std::byte{0};
  std::memcpy(&header[1], &frame.timestamp_us, sizeof frame.timestamp_us);
  return header;
}

ClientMessage parse_client_message(std::span<const std::byte> message) noexcept {
  ClientMessage parsed;
  if (message.size() == 1 + sizeof parsed.timestamp_us && message[0] == kAcknowledge) {
    parsed.kind = ClientMessage::Kind::acknowledge;
    std::memcpy(&parsed.timestamp_us, &message[1], sizeof parsed.timestamp_us);
  } else if (message.size() == 1 && message[0] == kResync) {
    parsed.kind = ClientMessage::Kind::resync;
  }
  return parsed;
}

}  // namespace framering::websocket
