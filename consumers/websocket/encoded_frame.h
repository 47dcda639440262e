// SPDX-License-Identifier: Apache-2.0
//
// A frame on its way to viewers: read from the ring once, then shared by all of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace framering::websocket {

// What a player of fragmented MP4 needs before the first fragment.
struct InitSegment {
  std::string codec;  // RFC 6381: "avc1.42c01e"
  std::uint32_t width = 0, height = 0;
  std::vector<std::byte> bytes;  // ftyp, moov
};

// Never changed after it was made.
struct EncodedFrame {
  std::uint64_t generation = 0;
  std::uint64_t number = 0;         // 1, 2, 3 ... within a generation
  std::uint64_t timestamp_us = 0;   // CLOCK_MONOTONIC when captured; strictly grows within a feed
  std::uint64_t media_time_us = 0;  // of a fragment: its decode time
  std::uint64_t encoded_ns = 0;     // CLOCK_MONOTONIC, as the next two; 0 = not known
  std::uint64_t published_ns = 0;
  std::uint64_t read_ns = 0;
  std::uint32_t codec = 0;                  // kCodec...
  std::uint32_t width = 0, height = 0;      // pixels; 0 = not known
  bool key = false;                         // decodable by itself
  std::vector<std::byte> bytes;             // one access unit (Annex-B), JPEG or fragment
  std::shared_ptr<const InitSegment> init;  // of a fragment
};

using SharedFrame = std::shared_ptr<const EncodedFrame>;

}  // namespace framering::websocket
