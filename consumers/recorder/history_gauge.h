// SPDX-License-Identifier: Apache-2.0
//
// How many seconds before now a ring can give back: measured, as it depends on what is encoded.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace framering::recorder {

class HistoryGauge {
 public:
  void saw(std::size_t bytes, bool key, std::uint64_t captured_ns) noexcept;
  void restart() noexcept { *this = HistoryGauge(); }

  // Enough was seen to say something.
  [[nodiscard]] bool ready() const noexcept;
  // Empty: a ring of so many bytes and frames holds the `pre_s` seconds before any moment, from a
  // key frame on. Else what to do about it.
  [[nodiscard]] std::string objection(double pre_s, std::uint64_t history_bytes,
                                      std::uint32_t history_frames,
                                      const std::string& stream) const;

 private:
  [[nodiscard]] double span_s() const noexcept {
    return static_cast<double>(last_ns_ - first_ns_) / 1e9;
  }

  std::uint64_t frames_ = 0, keys_ = 0, bytes_ = 0;  // bytes as they lie in the ring
  std::uint64_t first_ns_ = 0, last_ns_ = 0, last_key_ns_ = 0;
  std::uint64_t longest_group_ns_ = 0;
};

}  // namespace framering::recorder
