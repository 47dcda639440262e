// SPDX-License-Identifier: Apache-2.0
#include "ring/wake_predictor.h"

#include <algorithm>
#include <cstdint>

namespace framering {
namespace {

// Room left beside what was seen, for what a publish and a look at the clock take.
constexpr std::uint64_t kBefore_ns = 3'000;
constexpr std::uint64_t kAfter_ns = 20'000;
constexpr std::uint64_t kMostOversleep_ns = 300'000;
constexpr std::uint64_t kOversleepStep_ns = 10'000;
constexpr std::int64_t kCreditFrames = 16;            // unspent spinning is kept for so many frames
constexpr std::int64_t kLastTime_ns = INT64_MAX / 2;  // later than any clock shows
// One sample in so many, at each end, is left out: a frame late by a millisecond says nothing
// about the others.
constexpr std::uint32_t kOutlierShare = 8;

}  // namespace

// Times and numbers are claims: what does not look like the same stream going on begins anew, and
// differences of what does are small.
bool WakePredictor::in_step(const Sample& next) const noexcept {
  if (seen_ == 0) return false;
  const Sample& last = samples_.back();
  if (next.number <= last.number || next.number - last.number > kLearnFrames) return false;
  if (last.published_ns < 0 || next.published_ns <= last.published_ns) return false;
  if (next.published_ns > kLastTime_ns) return false;
  // A stream that has rested goes on at another time.
  const std::uint64_t longest_ns = interval_ns_ == 0
                                       ? kMaxInterval_ns
                                       : std::min(2 * kLearnFrames * interval_ns_, kMaxInterval_ns);
  return next.published_ns - last.published_ns <=
         static_cast<std::int64_t>(longest_ns * (next.number - last.number));
}

void WakePredictor::saw_frame(std::uint64_t number, std::uint64_t published_ns) noexcept {
  window_given_ = false;
  if (pause_left_ != 0) --pause_left_;
  const Sample sample{number, static_cast<std::int64_t>(published_ns)};
  if (!in_step(sample)) {
    seen_ = 0;
    interval_ns_ = 0;
  }
  std::rotate(samples_.begin(), samples_.begin() + 1, samples_.end());
  samples_.back() = sample;
  if (seen_ < kMemory) ++seen_;
  fitted_ = false;
}

// Only when somebody asks, which is before a sleep: whoever waits for a frame has it first.
//
// The interval is the median of the slopes between the older and the newer half of the samples
// (robust regression after Theil and Sen); how far the samples lie beside that line is what the
// next frame may do.
void WakePredictor::fit() noexcept {
  if (fitted_ || seen_ < kLearnFrames) return;
  fitted_ = true;
  const auto first = samples_.end() - seen_;
  const Sample& last = samples_.back();
  const std::uint32_t half = seen_ / 2;
  std::array<std::int64_t, kMemory> values{};
  for (std::uint32_t i = 0; i < half; ++i) {
    const Sample& older = first[i];
    const Sample& newer = first[i + half];
    values[i] = (newer.published_ns - older.published_ns) /
                static_cast<std::int64_t>(newer.number - older.number);
  }
  std::sort(values.begin(), values.begin() + half);
  const std::int64_t interval = values[half / 2];
  const bool can_be_followed = interval >= static_cast<std::int64_t>(kMinInterval_ns) &&
                               interval <= static_cast<std::int64_t>(kMaxInterval_ns);
  interval_ns_ = can_be_followed ? static_cast<std::uint64_t>(interval) : 0;
  for (std::uint32_t i = 0; i < seen_; ++i) {
    values[i] =
        first[i].published_ns + interval * static_cast<std::int64_t>(last.number - first[i].number);
  }
  std::sort(values.begin(), values.begin() + seen_);
  const auto next_ns = [&](std::uint32_t at) {
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, values[at] + interval));
  };
  early_ns_ = next_ns(seen_ / kOutlierShare);
  due_ns_ = next_ns(seen_ / 2);
  late_ns_ = next_ns(seen_ - 1 - seen_ / kOutlierShare);
}

void WakePredictor::earn(std::uint64_t now_ns) noexcept {
  const std::uint64_t elapsed = now_ns > earned_ns_ ? now_ns - earned_ns_ : 0;
  const auto share = static_cast<std::int64_t>(std::min(elapsed, kMaxInterval_ns) / kSpinShare);
  const auto most = static_cast<std::int64_t>(interval_ns_ / kSpinShare) * kCreditFrames;
  // The first time there is nothing to count from.
  credit_ns_ = earned_ns_ == 0 ? 0 : std::min(credit_ns_ + share, most);
  earned_ns_ = now_ns;
}

std::uint64_t WakePredictor::interval_ns() noexcept {
  fit();
  return interval_ns_;
}

std::optional<WakePredictor::Window> WakePredictor::next_window(std::uint64_t now_ns,
                                                                std::uint64_t latest_ns) noexcept {
  fit();
  earn(now_ns);
  if (window_given_ || seen_ < kLearnFrames || interval_ns_ == 0 || pause_left_ != 0) return {};
  if (early_ns_ < kBefore_ns + oversleep_ns_ || credit_ns_ <= 0) return {};
  Window window;
  window.from_ns = early_ns_ - kBefore_ns;
  // What is not even paid for until the frame is due would be spun for nothing.
  const auto credit = static_cast<std::uint64_t>(credit_ns_);
  if (window.from_ns + credit < due_ns_) return {};
  window.until_ns = std::min(late_ns_ + kAfter_ns, window.from_ns + credit);
  window.wake_ns = window.from_ns - oversleep_ns_;
  if (now_ns >= window.until_ns || window.until_ns > now_ns + 2 * kMaxInterval_ns) return {};
  if (window.until_ns > latest_ns) return {};
  window_given_ = true;
  return window;
}

// Follows the longer ones among the sleeps, slowly: one that ends early is spun away and paid for,
// one that ends late has missed its frame.
void WakePredictor::woke(const Window& window, std::uint64_t now_ns) noexcept {
  const std::uint64_t late = now_ns > window.wake_ns ? now_ns - window.wake_ns : 0;
  if (late > oversleep_ns_) {
    oversleep_ns_ = std::min({late, oversleep_ns_ + kOversleepStep_ns, kMostOversleep_ns});
  } else {
    oversleep_ns_ -= (oversleep_ns_ - late) / 16;
  }
}

// That cost nobody anything: it went as without a prediction.
void WakePredictor::rung(const Window& window, std::uint64_t now_ns) noexcept {
  // Had the sleep ended in time, the frame would have been found.
  if (now_ns > window.wake_ns + oversleep_ns_) woke(window, now_ns);
}

void WakePredictor::spun(Spin outcome, std::uint64_t began_ns, std::uint64_t ended_ns) noexcept {
  if (ended_ns > began_ns) {
    credit_ns_ -= static_cast<std::int64_t>(std::min(ended_ns - began_ns, kMaxInterval_ns));
  }
  judge(outcome);
}

void WakePredictor::judge(Spin outcome) noexcept {
  if (outcome == Spin::found) {
    if (misses_ != 0) --misses_;
    if (++hits_ >= kHitsToForgive) next_pause_ = kFirstPause;
    return;
  }
  if (outcome == Spin::missed && (misses_ += kMissWeight) < kMissesToPause) return;
  pause_left_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  misses_ = 0;
  hits_ = 0;
}

}  // namespace framering
