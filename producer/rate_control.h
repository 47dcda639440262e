// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace framering {

// One number of an encoder (JPEG quality, H.264 bitrate) that gives way when viewers cannot keep
// up, and comes back slowly: at once down, in small steps and only after some quiet time up, so
// that it does not swing.
class RateControl {
 public:
  struct Bounds {
    std::uint32_t floor = 0;    // never below
    std::uint32_t ceiling = 0;  // what the operator wants when the way is free
    std::uint32_t step = 0;     // on a ladder of such steps below the ceiling; 0: in proportion
  };
  // What the readers say (control/stream_writer.h, Demand).
  struct Hints {
    std::uint32_t backlog_frames = 0;  // of the reader that is worst off
    std::uint32_t cap = 0;             // what the slowest viewer can take; 0 = nobody says
  };

  static constexpr std::uint64_t kDownSpacing_ns = 1'000'000'000;
  static constexpr std::uint64_t kQuietBeforeUp_ns = 5'000'000'000;
  static constexpr std::uint64_t kUpSpacing_ns = 2'000'000'000;

  // `backlog_limit` frames waiting behind a reader are too many.
  RateControl(Bounds bounds, std::uint32_t backlog_limit) noexcept;

  void set_bounds(Bounds bounds) noexcept;
  // Looks at the hints; returns the value to use from now on.
  std::uint32_t update(std::uint64_t now_ns, const Hints& hints) noexcept;
  // The encoder's frames do not fit the ring: one step down at once. False: at the floor already.
  bool lower(std::uint64_t now_ns) noexcept;
  [[nodiscard]] std::uint32_t value() const noexcept { return value_; }

 private:
  [[nodiscard]] std::uint32_t top() const noexcept;
  [[nodiscard]] std::uint32_t step_down() const noexcept;
  [[nodiscard]] std::uint32_t step_up() const noexcept;
  void set_clamped(std::uint32_t value) noexcept;

  Bounds bounds_;
  std::uint32_t backlog_limit_;
  std::uint32_t value_;
  bool lowered_before_ = false;
  std::uint64_t lowered_ns_ = 0;
  std::uint64_t troubled_ns_ = 0;  // last time there was a reason to be low
  std::uint64_t raised_ns_ = 0;
};

}  // namespace framering
