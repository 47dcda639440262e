// SPDX-License-Identifier: Apache-2.0
//
// Looks after the pipeline thread from a thread of its own: a vendor call can hang for ever, and
// then nobody else is left to notice. It also receives SIGINT, SIGTERM and SIGHUP.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>

#include "ring/fd.h"
#include "stop_signal.h"

namespace framering {

// What the process ends with when the watchdog ends it (sysexits.h, EX_TEMPFAIL): start it again.
inline constexpr int kExitStalled = 75;

// What to do about pictures that do not come, milder things first. No thread, no clock: the caller
// says what time it is.
class StallLadder {
 public:
  enum class Action : std::uint8_t { none, request_key_frame, recreate_encoder, give_up };

  static constexpr std::uint64_t kRung_ns = 2'000'000'000;

  // `expected`: the source claims to be live and somebody wants pictures. `pictures`: published so
  // far. Each action comes once, two seconds after the one before.
  [[nodiscard]] Action look(std::uint64_t now_ns, bool expected, std::uint64_t pictures) noexcept;

 private:
  std::uint64_t seen_ = 0;
  std::uint64_t since_ns_ = 0;  // 0: nothing is due
  std::uint32_t rungs_ = 0;
};

class Watchdog {
 public:
  static constexpr std::uint64_t kStuck_ns = 1'500'000'000;  // longer than any call should take

  // A step of the pipeline may take `hang_ns`.
  Watchdog(StopSignal& stop, std::uint64_t hang_ns);
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  // What the watchdog thread calls once when a step has not returned for kStuck_ns, so that readers
  // are told while the process still lives. Null: nothing; on return the former one is not running.
  void when_stuck(std::function<void()> tell);

  // What it does on SIGHUP; null as above.
  void when_hung_up(std::function<void()> reload);

  // Pipeline thread. `doing` must live for ever (a literal): it is named when the step hangs.
  void enter(const char* doing) noexcept;
  void alive(bool expected, std::uint64_t pictures) noexcept;
  [[nodiscard]] StallLadder::Action take_action() noexcept;

 private:
  void run() noexcept;
  void take_signals() noexcept;
  void check(std::uint64_t now_ns) noexcept;
  [[noreturn]] void end_process(const char* what, std::uint64_t after_ns) noexcept;

  StopSignal& stop_;
  const std::uint64_t hang_ns_;
  // Pipeline thread to watchdog. relaxed, all: each is a word by itself, and an old value only
  // makes the watchdog patient for another look.
  std::atomic<const char*> doing_{"starting"};
  std::atomic<std::uint64_t> alive_ns_;
  std::atomic<bool> expected_{false};
  std::atomic<std::uint64_t> pictures_{0};
  // Watchdog to pipeline thread; relaxed as above.
  std::atomic<StallLadder::Action> action_{StallLadder::Action::none};

  std::mutex tell_mutex_;  // guards these two
  std::function<void()> tell_stuck_;
  std::function<void()> reload_;

  bool stuck_ = false;  // watchdog thread only, as is:
  StallLadder ladder_;
  Fd quit_;  // eventfd
  std::thread thread_;
};

}  // namespace framering
