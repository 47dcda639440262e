// SPDX-License-Identifier: Apache-2.0
//
// How fast a viewer's line is: what arrived, by the time in which something was on its way.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace framering::websocket {

// All times are of one monotonic clock, in ns.
class LineSpeed {
 public:
  // Shorter than this, it says nothing about the line: the bytes went into buffers.
  static constexpr std::uint64_t kLongEnough_ns = 100'000'000;

  // Something is on its way, from now on if nothing was; and nothing is any more.
  void busy(std::uint64_t now_ns) noexcept {
    if (!busy_) since_ns_ = now_ns;
    busy_ = true;
  }
  void idle(std::uint64_t now_ns) noexcept {
    if (busy_) busy_ns_ += now_ns - since_ns_;
    busy_ = false;
  }
  void arrived(std::size_t bytes) noexcept { bytes_ += bytes; }

  // Since it was last asked with an answer, or forgot; 0: nothing arrived yet, or too soon to tell.
  [[nodiscard]] std::uint32_t take_kbps(std::uint64_t now_ns) noexcept {
    if (busy_) {
      idle(now_ns);
      busy(now_ns);
    }
    if (bytes_ == 0 || busy_ns_ < kLongEnough_ns) return 0;
    const std::uint64_t kbps = bytes_ * 8 * 1'000'000 / busy_ns_;
    forget(now_ns);
    return static_cast<std::uint32_t>(std::clamp<std::uint64_t>(kbps, 1, UINT32_MAX));
  }
  void forget(std::uint64_t now_ns) noexcept {
    since_ns_ = now_ns;
    busy_ns_ = bytes_ = 0;
  }

 private:
  bool busy_ = false;
  std::uint64_t since_ns_ = 0;  // while busy: up to here it is in busy_ns_
  std::uint64_t busy_ns_ = 0;
  std::uint64_t bytes_ = 0;
};

}  // namespace framering::websocket
