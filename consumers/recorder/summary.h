// SPDX-License-Identifier: Apache-2.0
//
// What the index says of one file.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "muxer.h"

namespace framering::recorder {

struct Gap {
  std::uint64_t frames = 0;  // published, and not in the file
  std::uint64_t before = 0;  // number of the frame behind them
  double seconds = 0;        // where that frame is in the file
};

struct Summary {
  // A disk that is always too slow makes gaps without end; their frames are counted all the same.
  static constexpr std::size_t kMaxGaps = 256;

  Container container = Container::mp4;
  std::uint32_t codec = 0;              // kCodec...
  std::uint32_t width = 0, height = 0;  // pixels
  std::uint64_t generation = 0;
  std::uint64_t first_frame = 0, last_frame = 0;  // numbers within the generation
  std::uint64_t frames = 0;
  std::uint64_t frames_lost = 0;  // sum of all gaps
  std::int64_t began_ms = 0;      // CLOCK_REALTIME of the first frame's capture
  double seconds = 0;             // from the first frame to the last
  std::int64_t trigger_ms = 0;    // CLOCK_REALTIME of what made it; 0: continuous
  std::vector<Gap> gaps;
};

}  // namespace framering::recorder
