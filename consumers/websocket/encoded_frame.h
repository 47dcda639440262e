// SPDX-License-Identifier: Apache-2.0
//
// A frame on its way to viewers: read from the ring once, then shared by all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace framering::websocket {

// Never changed after it was made.
struct EncodedFrame {
  std::uint64_t generation = 0;
  std::uint64_t number = 0;        // 1, 2, 3 ... within a generation
  std::uint64_t timestamp_us = 0;  // CLOCK_MONOTONIC when captured; strictly grows within a feed
  std::uint64_t published_ns = 0;  // CLOCK_MONOTONIC
  std::uint32_t codec = 0;         // kCodec...
  bool key = false;                // decodable by itself
  std::vector<std::byte> bytes;    // one access unit (Annex-B) or one JPEG
};

using SharedFrame = std::shared_ptr<const EncodedFrame>;

}  // namespace framering::websocket
