// SPDX-License-Identifier: Apache-2.0
#include "service_watchdog.h"

#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <cstring>

#include "control/ready.h"
#include "ring/clock.h"

namespace framering {

namespace {

// 0: absent, or no number.
std::uint64_t number_from_environment(const char* name) noexcept {
  const char* text = std::getenv(name);
  if (text == nullptr) return 0;
  std::uint64_t number = 0;
  const char* end = text + std::strlen(text);
  const auto [stop, error] = std::from_chars(text, end, number);
  return error == std::errc() && stop == end ? number : 0;
}

}  // namespace

ServiceWatchdog::ServiceWatchdog() noexcept {
  const bool ours = std::getenv("WATCHDOG_PID") == nullptr ||
                    number_from_environment("WATCHDOG_PID") == static_cast<unsigned>(::getpid());
  if (ours) period_ns_ = number_from_environment("WATCHDOG_USEC") * 1000 / 2;
  if (period_ns_ != 0) next_ns_ = monotonic_ns();
}

void ServiceWatchdog::beat(std::uint64_t now_ns) noexcept {
  if (next_ns_ == 0 || now_ns < next_ns_) return;
  notify_service_manager("WATCHDOG=1");
  next_ns_ = now_ns + period_ns_;
}

}  // namespace framering
