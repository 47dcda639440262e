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

#include <array>
#include <cstdint>
#include <optional>

namespace framering {

class WakePredictor {
 public:
  static constexpr std::uint64_t kSpinShare = 50;  // at most 1/50 of a core is spun away
  static constexpr std::uint64_t kMinInterval_ns = 500'000;
  static constexpr std::uint64_t kMaxInterval_ns = 1'000'000'000;
  static constexpr std::uint32_t kLearnFrames = 8;  // seen in step before the first prediction
  static constexpr std::uint32_t kMemory = 16;      // frames that a prediction is made from
  static constexpr std::uint32_t kMissWeight = 2;   // a miss weighs as much as so many hits
  static constexpr std::uint32_t kMissesToPause = 8;
  static constexpr std::uint32_t kFirstPause = 16;  // frames; doubles while it does not help
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
  void forget() noexcept { seen_ = 0; }

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
  [[nodiscard]] std::uint64_t interval_ns() noexcept;  // 0: none that could be followed

 private:
  struct Sample {
    std::uint64_t number = 0;
    std::int64_t published_ns = 0;
  };

  [[nodiscard]] bool in_step(const Sample& next) const noexcept;
  void fit() noexcept;
  void judge(Spin outcome) noexcept;
  void earn(std::uint64_t now_ns) noexcept;

  std::array<Sample, kMemory> samples_{};  // the newest last
  std::uint32_t seen_ = 0;                 // of samples_, counted from its end
  bool window_given_ = false;              // for the frame after the newest
  bool fitted_ = false;                    // what follows is of these samples

  // What the samples say of the next frame: it is due by most of them from early to late, by half
  // of them until due.
  std::uint64_t interval_ns_ = 0;  // 0: none that could be followed
  std::uint64_t early_ns_ = 0;
  std::uint64_t due_ns_ = 0;
  std::uint64_t late_ns_ = 0;

  std::uint64_t oversleep_ns_ = 60'000;  // by how much timed sleeps end late, most of them

  std::int64_t credit_ns_ = 0;   // spinning that may still be done
  std::uint64_t earned_ns_ = 0;  // when it was last added to

  std::uint32_t misses_ = 0;      // weighed, less the hits
  std::uint32_t hits_ = 0;        // since the last pause
  std::uint32_t pause_left_ = 0;  // frames
  std::uint32_t next_pause_ = kFirstPause;
};

}  // namespace framering
