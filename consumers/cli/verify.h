// SPDX-License-Identifier: Apache-2.0
//
// Judges what a reader was handed of the pattern source: whole, in order, and every loss told.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>

#include "pattern_frame.h"
#include "ring/frame.h"

namespace framering::cli {

// One frame as it came. With a lease: first check the bytes, then whether they were still
// protected.
struct CheckedFrame {
  std::uint64_t generation = 0;
  std::uint64_t number = 0;       // in the ring
  std::uint64_t lost_before = 0;  // as the reader said
  bool key = false;
  PatternFault fault = PatternFault::none;
  std::uint64_t payload_number = 0;  // in the bytes; must be `number`
  bool revoked = false;              // the lease no longer protected the bytes: they prove nothing
  std::uint64_t bytes = 0;
  std::uint64_t now_ns = 0;  // CLOCK_MONOTONIC, when it came
};

// Checks the bytes; `revoked` and `now_ns` are still to be filled in.
[[nodiscard]] CheckedFrame check_frame(const Frame& frame) noexcept;

// Within a generation, the numbers must rise and each gap must be what the reader said it lost. A
// new generation may begin anywhere: what was lost between two of them only the reader knows.
class Verifier {
 public:
  explicit Verifier(std::uint64_t started_ns) : started_ns_(started_ns) {}

  void take(const CheckedFrame& frame) noexcept;
  // The reader's own counts, once nothing more is read.
  void finish(const ReadCounts& counts) noexcept;

  [[nodiscard]] bool good() const noexcept;  // call after finish
  [[nodiscard]] nlohmann::ordered_json report() const;
  [[nodiscard]] std::uint64_t frames() const noexcept { return delivered_ + torn_ + revoked_; }

 private:
  [[nodiscard]] bool balanced() const noexcept;

  const std::uint64_t started_ns_;
  std::uint64_t delivered_ = 0;    // whole and checked
  std::uint64_t torn_ = 0;         // damaged, or the bytes of another frame
  std::uint64_t revoked_ = 0;      // lease lost before the bytes were checked: lost, not torn
  std::uint64_t wrong_order_ = 0;  // number not above the one before
  std::uint64_t miscounted_ = 0;   // lost_before is not the gap in the numbers
  std::uint64_t bytes_ = 0;

  std::uint64_t generations_ = 0;
  std::uint64_t generation_ = 0;
  std::uint64_t first_ = 0;      // number of the very first frame
  std::uint64_t last_ = 0;       // number of the newest frame, in `generation_`
  std::uint64_t published_ = 0;  // numbers passed, generation by generation, from each one's first
  std::uint64_t told_ = 0;       // sum of lost_before
  std::uint64_t told_between_ = 0;  // the part of it at the beginning of generations
  bool first_key_ = true;           // every generation began with a key frame

  std::uint64_t first_ns_ = 0;
  std::uint64_t last_ns_ = 0;
  std::uint64_t max_gap_ns_ = 0;
  ReadCounts counts_;
};

}  // namespace framering::cli
