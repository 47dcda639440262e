// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <span>

#include "ring/fd.h"

namespace framering {

// Whether the process was asked to end, and every wait that such a wish must cut short.
class StopSignal {
 public:
  // Blocks SIGINT and SIGTERM in the calling thread and in those it starts later, so it comes
  // before any thread; they arrive at signal_fd() instead. So does SIGHUP, `with_hangup`: else it
  // ends the process. Throws std::system_error.
  explicit StopSignal(bool with_hangup = false);

  [[nodiscard]] int signal_fd() const noexcept { return signals_.get(); }  // the watchdog reads it
  void request() noexcept;                                                 // any thread
  // relaxed: a flag that is looked at again soon; nothing else is handed over with it.
  [[nodiscard]] bool requested() const noexcept {
    return requested_.load(std::memory_order_relaxed);
  }

  // Sleeps until `deadline_ns` (CLOCK_MONOTONIC), half a second at most, so that whoever waits can
  // beat its heart. True: the deadline has come.
  bool wait_until(std::uint64_t deadline_ns) noexcept;
  // The same, cut short as well when one of `fds` (four at most) is readable.
  bool wait_until(std::uint64_t deadline_ns, std::span<const int> fds) noexcept;

 private:
  Fd signals_;
  Fd stop_;  // eventfd, readable for good once a stop was requested
  std::atomic<bool> requested_{false};
};

}  // namespace framering
