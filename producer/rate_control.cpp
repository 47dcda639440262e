// SPDX-License-Identifier: Apache-2.0
#include "rate_control.h"

#include <algorithm>

namespace framering {

RateControl::RateControl(Bounds bounds, std::uint32_t backlog_limit) noexcept
    : bounds_(bounds), backlog_limit_(backlog_limit), value_(bounds.ceiling) {}

std::uint32_t RateControl::top() const noexcept {
  return std::max(bounds_.floor, bounds_.ceiling);
}

// A quarter of the way to the floor, and at least a tenth of the whole range; or to the next rung.
std::uint32_t RateControl::step_down() const noexcept {
  if (bounds_.step != 0) return bounds_.step - (top() - value_) % bounds_.step;
  return std::max({(value_ - bounds_.floor) / 4, (top() - bounds_.floor) / 10, std::uint32_t{1}});
}

std::uint32_t RateControl::step_up() const noexcept {
  if (bounds_.step == 0) return std::max((top() - bounds_.floor) / 10, std::uint32_t{1});
  const std::uint32_t above_rung = (top() - value_) % bounds_.step;
  return above_rung != 0 ? above_rung : bounds_.step;
}

void RateControl::set_clamped(std::uint32_t value) noexcept {
  value_ = std::clamp(value, bounds_.floor, top());
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
  set_clamped(value_ - std::min(step_down(), value_));
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
    set_clamped(std::max(value_, std::min(value_ + step_up(), ceiling)));
  }
  return value_;
}

}  // namespace framering
