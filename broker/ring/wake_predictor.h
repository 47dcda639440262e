// SPDX-License-Identifier: Apache-2.0
//
// Predicts when the next frame is due, so that a reader can be awake when it comes. Only
// arithmetic: the reader says what it saw and what the clock shows, and does the sleeping and
// spinning itself.
//
//      armed, asleep                     awake, not armed          armed, asleep: as without it
//   ├───────────────────────────────────┼────────────┬────────────┼──────────────────────────
//   frame n                          from_ns        due        until_ns
//
// A frame before from_ns rings as always; one inside the window costs neither side a system call;
// after until_ns the reader sleeps as always. What a prediction can cost is thus processor time
// only, and that is bounded (kSpinShare). On a busy machine even that would be taken from somebody,
// the producer perhaps: then, and while frames do not come as predicted, there are no windows.
#pragma once

#include <cstdint>
#include <optional>

namespace framering {

class WakePredictor {
 public:
  static constexpr std::uint64_t kSpinShare = 50;  // at most 1/50 of a core is spun away
  static constexpr std::uint64_t kMinInterval_ns = 500'000;
  static constexpr std::uint64_t kMaxInterval_ns = 1'000'000'000;
  static constexpr std::uint32_t kLearnFrames = 8;    // seen in step before the first prediction
  static constexpr std::uint32_t kMissesToPause = 3;  // more misses than hits, by so many
  static constexpr std::uint32_t kFirstPause = 64;    // frames; doubles while it does not help
  static constexpr std::uint32_t kLongestPause = 1024;
  static constexpr std::uint32_t kHitsToForgive = 64;  // since the last pause: the next is short
  // A spin that saw its clock jump so far was preempted, or the machine itself was.
  static constexpr std::uint64_t kPreempted_ns = 50'000;

  // When to be awake. The sleep before is to end at wake_ns: sleeps end late, by about as much.
  struct Window {
    std::uint64_t wake_ns = 0;
    std::uint64_t from_ns = 0;
    std::uint64_t until_ns = 0;
  };

  // How a window went.
  enum class Spin : std::uint8_t {
    found,      // the frame came while awake
    missed,     // it did not come
    preempted,  // somebody else needed the core
  };

  // Another stream or another producer: forgets what it learned, but not why it paused.
  void forget() noexcept { learned_ = 0; }

  // A frame was handed out. Its number and time are claims of the producer.
  void saw_frame(std::uint64_t number, std::uint64_t published_ns) noexcept;

  // The window of the next frame; nothing when there is none to be awake in, or not yet: one that
  // ends after `latest_ns` is kept for a later call. At most one for each frame seen.
  // CLOCK_MONOTONIC nanoseconds, as everywhere here.
  [[nodiscard]] std::optional<Window> next_window(std::uint64_t now_ns,
                                                  std::uint64_t latest_ns) noexcept;

  // The sleep that was to end at window.wake_ns ended by its time.
  void woke(const Window& window, std::uint64_t now_ns) noexcept;
  // It was ended by a ring instead: the frame was early, or the sleep too long.
  void rung(const Window& window, std::uint64_t now_ns) noexcept;
  // What became of a window that began when the reader was awake.
  void spun(Spin outcome, std::uint64_t began_ns, std::uint64_t ended_ns) noexcept;

  [[nodiscard]] bool paused() const noexcept { return pause_left_ != 0; }
  [[nodiscard]] std::uint64_t interval_ns() const noexcept { return interval_ns_; }

 private:
  void restart(std::uint64_t number, std::uint64_t published_ns) noexcept;
  void judge(Spin outcome) noexcept;
  void earn(std::uint64_t now_ns) noexcept;

  std::uint64_t number_ = 0;        // of the newest frame seen
  std::uint64_t phase_ns_ = 0;      // when it should have been published, jitter taken out
  std::uint64_t interval_ns_ = 0;   // from frame to frame
  std::uint64_t jitter_ns_ = 0;     // mean distance between prediction and frame
  std::uint32_t learned_ = 0;       // frames in step; saturates at kLearnFrames
  std::uint32_t strange_ = 0;       // frames in a row that came far from where they were expected
  bool window_given_ = false;       // for the frame after number_
  std::uint64_t late_ns_ = 60'000;  // by how much a timed sleep ends late, about

  std::int64_t credit_ns_ = 0;   // spinning that may still be done
  std::uint64_t earned_ns_ = 0;  // when it was last added to

  std::uint32_t misses_ = 0;
  std::uint32_t hits_ = 0;        // since the last pause
  std::uint32_t pause_left_ = 0;  // frames
  std::uint32_t next_pause_ = kFirstPause;
};

}  // namespace framering
