// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace framering {

// Tells the service manager that the loop still turns, twice in each WatchdogSec= of its unit
// (sd_watchdog_enabled(3)); a broker that hangs is ended by it and started again. Without
// $WATCHDOG_USEC, or with one that was meant for another process: nothing, and no wake-up.
class ServiceWatchdog {
 public:
  ServiceWatchdog() noexcept;
  // When the next beat is due, CLOCK_MONOTONIC; 0: never.
  [[nodiscard]] std::uint64_t next_ns() const noexcept { return next_ns_; }
  // To be called in each turn of the loop.
  void beat(std::uint64_t now_ns) noexcept;

 private:
  std::uint64_t period_ns_ = 0;
  std::uint64_t next_ns_ = 0;
};

}  // namespace framering
