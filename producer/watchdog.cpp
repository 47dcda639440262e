// SPDX-License-Identifier: Apache-2.0
#include "watchdog.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "ring/clock.h"

namespace framering {
namespace {

constexpr int kLook_ms = 500;
// Whoever asked the process to stop waits no longer than this for a call that hangs.
constexpr std::uint64_t kPatienceWhenStopping_ns = 2'000'000'000;

}  // namespace

StallLadder::Action StallLadder::look(std::uint64_t now_ns, bool expected,
                                      std::uint64_t pictures) noexcept {
  if (!expected || pictures != seen_ || since_ns_ == 0) {
    seen_ = pictures;
    since_ns_ = expected ? now_ns : 0;
    rungs_ = 0;
    return Action::none;
  }
  if (now_ns - since_ns_ < kRung_ns * (rungs_ + 1)) return Action::none;
  ++rungs_;
  if (rungs_ == 1) return Action::request_key_frame;
  return rungs_ == 2 ? Action::recreate_encoder : Action::give_up;
}

Watchdog::Watchdog(StopSignal& stop, std::uint64_t hang_ns)
    : stop_(stop),
      hang_ns_(hang_ns),
      alive_ns_(monotonic_ns()),
      quit_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!quit_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
  thread_ = std::thread([this] { run(); });
}

Watchdog::~Watchdog() {
  ::eventfd_write(quit_.get(), 1);
  thread_.join();
}

void Watchdog::when_stuck(std::function<void()> tell) {
  const std::lock_guard lock(tell_mutex_);
  tell_stuck_ = std::move(tell);
}

void Watchdog::when_hung_up(std::function<void()> reload) {
  const std::lock_guard lock(tell_mutex_);
  reload_ = std::move(reload);
}

void Watchdog::enter(const char* doing) noexcept {
  doing_.store(doing, std::memory_order_relaxed);
  alive_ns_.store(monotonic_ns(), std::memory_order_relaxed);
}

void Watchdog::alive(bool expected, std::uint64_t pictures) noexcept {
  expected_.store(expected, std::memory_order_relaxed);
  pictures_.store(pictures, std::memory_order_relaxed);
  enter("between pictures");
}

StallLadder::Action Watchdog::take_action() noexcept {
  if (action_.load(std::memory_order_relaxed) == StallLadder::Action::none) {
    return StallLadder::Action::none;
  }
  return action_.exchange(StallLadder::Action::none, std::memory_order_relaxed);
}

void Watchdog::run() noexcept {
  std::array<pollfd, 2> waited{pollfd{quit_.get(), POLLIN, 0},
                               pollfd{stop_.signal_fd(), POLLIN, 0}};
  for (;;) {
    (void)::poll(waited.data(), waited.size(), kLook_ms);
    if ((waited[0].revents & POLLIN) != 0) return;
    if ((waited[1].revents & POLLIN) != 0) take_signals();
    check(monotonic_ns());
  }
}

void Watchdog::take_signals() noexcept {
  signalfd_siginfo info{};
  while (::read(stop_.signal_fd(), &info, sizeof info) == sizeof info) {
    if (info.ssi_signo != SIGHUP) {
      stop_.request();
      continue;
    }
    const std::lock_guard lock(tell_mutex_);
    if (reload_) reload_();
  }
}

void Watchdog::check(std::uint64_t now_ns) noexcept {
  const std::uint64_t alive_ns = alive_ns_.load(std::memory_order_relaxed);
  const std::uint64_t patience_ns =
      stop_.requested() ? std::min(hang_ns_, kPatienceWhenStopping_ns) : hang_ns_;
  if (now_ns > alive_ns && now_ns - alive_ns > patience_ns) {
    end_process(doing_.load(std::memory_order_relaxed), now_ns - alive_ns);
  }
  const bool stuck = now_ns > alive_ns && now_ns - alive_ns > kStuck_ns;
  if (stuck && !stuck_) {
    const std::lock_guard lock(tell_mutex_);
    if (tell_stuck_) tell_stuck_();
  }
  stuck_ = stuck;
  const auto action = ladder_.look(now_ns, expected_.load(std::memory_order_relaxed),
                                   pictures_.load(std::memory_order_relaxed));
  if (action == StallLadder::Action::give_up) {
    end_process(nullptr, StallLadder::kRung_ns * 3);
  }
  if (action != StallLadder::Action::none) action_.store(action, std::memory_order_relaxed);
}

// _exit, not exit: the pipeline thread is inside the vendor's library, and no destructor may run
// beside it. The kernel frees what is shared; readers see the line hang up.
void Watchdog::end_process(const char* what, std::uint64_t after_ns) noexcept {
  const double seconds = static_cast<double>(after_ns) / 1e9;
  if (what != nullptr) {
    std::fprintf(
        stderr,
        "framering-producer: watchdog: \"%s\" has not returned for %.1f s; ending, so that "
        "the supervisor starts again (exit code %d)\n",
        what, seconds, kExitStalled);
  } else {
    std::fprintf(
        stderr,
        "framering-producer: watchdog: no picture for %.0f s although the source is live, "
        "and neither a key-frame request nor a new encoder channel helped; ending, so that "
        "the supervisor starts again (exit code %d)\n",
        seconds, kExitStalled);
  }
  ::_exit(kExitStalled);
}

}  // namespace framering
