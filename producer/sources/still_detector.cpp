// SPDX-License-Identifier: Apache-2.0
#include "sources/still_detector.h"

namespace framering {

bool StillDetector::first_change(std::uint64_t now_ns, std::size_t bytes,
                                 std::size_t usual_bytes) noexcept {
  // Between the two lies a blinking cursor or a clock: neither still nor worth a key frame.
  const bool quiet = bytes * 8 < usual_bytes;
  const bool change = bytes * 4 > usual_bytes;
  const bool was_still = quiet_since_ns_ != 0 && now_ns - quiet_since_ns_ >= kStillAfter_ns;
  if (quiet) {
    if (quiet_since_ns_ == 0) quiet_since_ns_ = now_ns;
  } else if (change || !was_still) {
    quiet_since_ns_ = 0;
  }
  return change && was_still;
}

}  // namespace framering
