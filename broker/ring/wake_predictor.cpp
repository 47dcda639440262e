// SPDX-License-Identifier: Apache-2.0
#include "ring/wake_predictor.h"

#include <algorithm>

namespace framering {
namespace {

// Share of an error that goes into phase and interval: enough to follow a drifting clock, little
// enough that one late frame does not move the next prediction.
constexpr std::int64_t kPhaseShare = 4;
constexpr std::int64_t kIntervalShare = 32;
constexpr std::int64_t kJitterShare = 16;
constexpr std::int64_t kLateShare = 8;
constexpr std::uint64_t kMostLate_ns = 200'000;
// Room left beside the jitter, for what a publish and a look at the clock take.
constexpr std::uint64_t kBefore_ns = 3'000;
constexpr std::uint64_t kAfter_ns = 20'000;
constexpr std::uint32_t kStrangeToRestart = 6;
constexpr std::int64_t kCreditFrames = 16;  // unspent spinning is kept for so many frames

std::uint64_t moved(std::uint64_t value, std::int64_t sample, std::int64_t share) noexcept {
  const auto now = static_cast<std::int64_t>(value);
  return static_cast<std::uint64_t>(std::max<std::int64_t>(0, now + (sample - now) / share));
}

}  // namespace

void WakePredictor::restart(std::uint64_t number, std::uint64_t published_ns) noexcept {
  number_ = number;
  phase_ns_ = published_ns;
  learned_ = 1;
  strange_ = 0;
}

void WakePredictor::saw_frame(std::uint64_t number, std::uint64_t published_ns) noexcept {
  window_given_ = false;
  if (pause_left_ != 0) --pause_left_;
  if (learned_ == 0 || number <= number_ || published_ns <= phase_ns_ / 2) {
    return restart(number, published_ns);
  }
  const std::uint64_t frames = number - number_;
  if (learned_ == 1) {
    if (published_ns <= phase_ns_) return restart(number, published_ns);
    const std::uint64_t interval = (published_ns - phase_ns_) / frames;
    restart(number, published_ns);
    if (interval < kMinInterval_ns || interval > kMaxInterval_ns) return;
    interval_ns_ = interval;
    jitter_ns_ = interval / 64;
    learned_ = 2;
    return;
  }
  // A history read at once, or a gap: nothing that one interval explains.
  if (frames > kLearnFrames) return restart(number, published_ns);
  const std::uint64_t due_ns = phase_ns_ + frames * interval_ns_;
  auto error = static_cast<std::int64_t>(published_ns - due_ns);
  if (error > static_cast<std::int64_t>(kLearnFrames * interval_ns_)) {
    return restart(number, published_ns);  // the stream has rested
  }
  // One late frame says little about the next; several in a row, that the phase is another.
  const auto usual = static_cast<std::int64_t>(4 * jitter_ns_ + kAfter_ns);
  strange_ = error > usual || error < -usual ? strange_ + 1 : 0;
  if (strange_ == kStrangeToRestart) return restart(number, published_ns);
  error = std::clamp(error, -usual, usual);
  const auto distance = static_cast<std::uint64_t>(error < 0 ? -error : error);
  number_ = number;
  // While learning, the newest frame counts more: the first one may have been off by anything.
  const bool learning = learned_ < kLearnFrames;
  phase_ns_ = due_ns + static_cast<std::uint64_t>(error / (learning ? 2 : kPhaseShare));
  const std::int64_t drift = error / (learning ? 4 : kIntervalShare);
  interval_ns_ = std::clamp(interval_ns_ + static_cast<std::uint64_t>(drift), kMinInterval_ns,
                            kMaxInterval_ns);
  jitter_ns_ = moved(jitter_ns_, static_cast<std::int64_t>(distance),
                     learning ? kJitterShare / 4 : kJitterShare);
  if (learning) ++learned_;
}

void WakePredictor::earn(std::uint64_t now_ns) noexcept {
  const std::uint64_t elapsed = now_ns > earned_ns_ ? now_ns - earned_ns_ : 0;
  const auto share = static_cast<std::int64_t>(std::min(elapsed, kMaxInterval_ns) / kSpinShare);
  const auto most = static_cast<std::int64_t>(interval_ns_ / kSpinShare) * kCreditFrames;
  // The first time there is nothing to count from.
  credit_ns_ = earned_ns_ == 0 ? 0 : std::min(credit_ns_ + share, most);
  earned_ns_ = now_ns;
}

std::optional<WakePredictor::Window> WakePredictor::next_window(std::uint64_t now_ns,
                                                                std::uint64_t latest_ns) noexcept {
  earn(now_ns);
  if (window_given_ || learned_ < kLearnFrames || pause_left_ != 0 || credit_ns_ <= 0) return {};
  const std::uint64_t due_ns = phase_ns_ + interval_ns_;
  const std::uint64_t before_ns = 3 * jitter_ns_ + kBefore_ns;
  // What is not even paid for until the frame is due would be spun for nothing.
  const auto credit = static_cast<std::uint64_t>(credit_ns_);
  if (credit < before_ns + jitter_ns_) return {};
  Window window;
  window.from_ns = due_ns - before_ns;
  window.until_ns = std::min(due_ns + 4 * jitter_ns_ + kAfter_ns, window.from_ns + credit);
  window.wake_ns = window.from_ns - late_ns_;
  if (now_ns >= window.until_ns || window.until_ns > now_ns + 2 * kMaxInterval_ns) return {};
  if (window.until_ns > latest_ns) return {};
  window_given_ = true;
  return window;
}

void WakePredictor::woke(const Window& window, std::uint64_t now_ns) noexcept {
  const std::uint64_t late = now_ns > window.wake_ns ? now_ns - window.wake_ns : 0;
  late_ns_ = moved(late_ns_, static_cast<std::int64_t>(std::min(late, kMostLate_ns)), kLateShare);
}

void WakePredictor::rung(const Window& window, std::uint64_t now_ns) noexcept {
  // Had the sleep ended in time, the frame would have been found.
  if (now_ns > window.wake_ns) woke(window, now_ns);
  judge(Spin::missed);
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
  if (outcome == Spin::missed && ++misses_ < kMissesToPause) return;
  pause_left_ = next_pause_;
  next_pause_ = std::min(2 * next_pause_, kLongestPause);
  misses_ = 0;
  hits_ = 0;
}

}  // namespace framering
