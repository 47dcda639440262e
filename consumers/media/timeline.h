// SPDX-License-Identifier: Apache-2.0
//
// When the frames of a file are to be decoded and shown, counted from its first one.
//
// A producer says it twice: by PTS and DTS, in its own ticks, and by the time of capture. The ticks
// are exact and carry the order of B-frames, so they are what is written, for as long as they go
// with the clock. Where they do not (a producer that sets none, a source that was stopped), the
// time of capture is.
#pragma once

#include <cstdint>

#include "ring_layout.h"

namespace framering {

class Timeline {
 public:
  struct Stamps {  // in seconds / scale()
    std::int64_t pts = 0, dts = 0;
  };

  // Of a stream whose ticks last num / den seconds.
  Timeline(std::uint32_t num, std::uint32_t den) noexcept;

  // Of the next frame in decoding order. DTS grow strictly from 0, PTS are at least DTS.
  // `captured_ns`: CLOCK_MONOTONIC.
  [[nodiscard]] Stamps next(const FrameMeta& meta, std::uint64_t captured_ns) noexcept;

  [[nodiscard]] int scale() const noexcept { return scale_; }
  // From the first frame to the newest, seconds.
  [[nodiscard]] double seconds() const noexcept {
    return static_cast<double>(last_) / static_cast<double>(scale_);
  }

 private:
  [[nodiscard]] std::int64_t from_ticks(std::int64_t to, std::int64_t from) const noexcept;

  int num_, den_, scale_;
  bool begun_ = false;
  std::int64_t anchor_dts_ = 0;    // a frame's tick, the time of its capture,
  std::uint64_t anchor_ns_ = 0;    // and where
  std::int64_t anchor_ = 0;        // it was put
  std::int64_t previous_dts_ = 0;  // as the producer gave it
  std::int64_t last_ = 0;          // as it was put
};

// When a frame was captured, or else published; never in the future, since both are claims. What was
// captured long before it was published was so by another clock, and is not believed.
[[nodiscard]] std::uint64_t capture_time(const FrameMeta& meta, std::uint64_t published_ns,
                                         std::uint64_t now_ns) noexcept;

}  // namespace framering
