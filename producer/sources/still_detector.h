// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>

namespace framering {

// Tells from the sizes of P-frames when a picture that stood still begins to change: somebody
// opened a window, and wants to read it.
class StillDetector {
 public:
  static constexpr std::uint64_t kStillAfter_ns = 2'000'000'000;

  // One P-frame of `bytes`, where `usual_bytes` is the bit rate's share of one frame. True: it is
  // the first change after a still picture.
  [[nodiscard]] bool first_change(std::uint64_t now_ns, std::size_t bytes,
                                  std::size_t usual_bytes) noexcept;

 private:
  std::uint64_t quiet_since_ns_ = 0;  // 0: it moves
};

}  // namespace framering
