// SPDX-License-Identifier: Apache-2.0
#include "rate_control.h"

#include <algorithm>

namespace framering {

RateControl::RateControl(Bounds bounds, std::uint32_t backlog_limit) noexcept
    : bounds_(bounds), backlog_limit_(backlog_limit), value_(bounds.ceiling) {}

void RateControl::set_clamped(std::uint32_t value) noexcept {
  value_ = std::clamp(value, bounds_.floor, std::max(bounds_.floor, bounds_.ceiling));
}

void RateControl::set_bounds(Bounds bounds) noexcept {
  // An operator who turns it up means it: the new ceiling holds at once.
  const bool new_ceiling = bounds.ceiling != bounds_.ceiling;
  bounds_ = bounds;
  set_clamped(new_ceiling ? bounds.ceiling : value_);
}

bool RateControl::lower(std::uint64_t now_ns) noexcept {
  lowered_before_ = true;
  lowered_ns_ = troubled_ns_ = now_ns;
  const std::uint32_t before = value_;
  // A quarter of the way to the floor, and at least a tenth of the whole range.
  const std::uint32_t range = std::max(bounds_.ceiling, bounds_.floor) - bounds_.floor;
  const std::uint32_t step = std::max({(value_ - bounds_.floor) / 4, range / 10, std::uint32_t{1}});
  set_clamped(value_ - std::min(step, value_));
  return value_ < before;
}

std::uint32_t RateControl::update(std::uint64_t now_ns, const Hints& hints) noexcept {
  if (hints.cap != 0 && hints.cap < value_) {
    troubled_ns_ = now_ns;
    set_clamped(hints.cap);
  }
  if (hints.backlog_frames > backlog_limit_) {
    troubled_ns_ = now_ns;
    if (!lowered_before_ || now_ns - lowered_ns_ >= kDownSpacing_ns) (void)lower(now_ns);
    return value_;
  }
  const bool quiet = now_ns - troubled_ns_ >= kQuietBeforeUp_ns;
  if (value_ < bounds_.ceiling && quiet && now_ns - raised_ns_ >= kUpSpacing_ns) {
    raised_ns_ = now_ns;
    const std::uint32_t ceiling =
        hints.cap == 0 ? bounds_.ceiling : std::min(bounds_.ceiling, hints.cap);
    const std::uint32_t step = std::max((bounds_.ceiling - bounds_.floor) / 10, std::uint32_t{1});
    set_clamped(std::max(value_, std::min(value_ + step, ceiling)));
  }
  return value_;
}

}  // namespace framering
