// SPDX-License-Identifier: Apache-2.0
#include "trigger_window.h"

#include <algorithm>

#include "ring_layout.h"

namespace framering::recorder {
namespace {

// A trigger may be seen this much later than it happened, while frames are read on.
constexpr std::uint64_t kLateTrigger_ns = 1'000'000'000;
// More than any ring holds: times are claims, and may stand still.
constexpr std::size_t kMaxKeys = kMaxSlotCount;

std::uint64_t nanoseconds(double seconds) noexcept {
  return static_cast<std::uint64_t>(seconds * 1e9);
}

}  // namespace

TriggerWindow::TriggerWindow(double pre_s, double post_s) noexcept
    : pre_ns_(nanoseconds(pre_s)), post_ns_(nanoseconds(post_s)) {}

void TriggerWindow::saw_key(std::uint64_t number, std::uint64_t captured_ns) {
  // Read again, after a clip that reached back.
  while (!keys_.empty() && keys_.back().number >= number) keys_.pop_back();
  keys_.push_back({number, captured_ns});
  while (keys_.size() > 1 && keys_[1].captured_ns + pre_ns_ + kLateTrigger_ns < captured_ns) {
    keys_.pop_front();
  }
  if (keys_.size() > kMaxKeys) keys_.pop_front();
}

void TriggerWindow::trigger(std::uint64_t when_ns) noexcept {
  if (first_trigger_ns_ == 0) first_trigger_ns_ = when_ns;
  triggered_ns_ = std::max(triggered_ns_, when_ns);
}

std::optional<std::uint64_t> TriggerWindow::first_frame() const noexcept {
  if (keys_.empty()) return std::nullopt;
  std::uint64_t first = keys_.front().number;
  for (const Key& key : keys_) {
    if (key.captured_ns + pre_ns_ <= first_trigger_ns_) first = key.number;
  }
  return first;
}

std::optional<std::uint64_t> TriggerWindow::key_for(std::uint64_t number) const noexcept {
  if (keys_.empty()) return std::nullopt;
  std::uint64_t found = keys_.front().number;
  for (const Key& key : keys_) {
    if (key.number <= number) found = key.number;
  }
  return found;
}

}  // namespace framering::recorder
