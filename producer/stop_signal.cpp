// SPDX-License-Identifier: Apache-2.0
#include "stop_signal.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

#include "control/signal_fd.h"
#include "ring/clock.h"

namespace framering {
namespace {

constexpr std::uint64_t kLongestNap_ns = 500'000'000;

}  // namespace

StopSignal::StopSignal(bool with_hangup)
    : signals_(make_signal_fd({SIGINT, SIGTERM}, with_hangup)),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!stop_.valid()) throw std::system_error(errno, std::generic_category(), "eventfd");
}

void StopSignal::request() noexcept {
  requested_.store(true, std::memory_order_relaxed);
  ::eventfd_write(stop_.get(), 1);
}

bool StopSignal::wait_until(std::uint64_t deadline_ns) noexcept {
  return wait_until(deadline_ns, {});
}

bool StopSignal::wait_until(std::uint64_t deadline_ns, std::span<const int> fds) noexcept {
  const std::uint64_t now_ns = monotonic_ns();
  if (now_ns >= deadline_ns) return true;
  std::array<pollfd, 5> waited{};
  waited[0] = {stop_.get(), POLLIN, 0};
  const std::size_t count = std::min(fds.size(), waited.size() - 1);
  for (std::size_t i = 0; i < count; ++i) waited[i + 1] = {fds[i], POLLIN, 0};
  const auto left = static_cast<long>(std::min(deadline_ns - now_ns, kLongestNap_ns));
  const timespec limit{0, left};
  (void)::ppoll(waited.data(), count + 1, &limit, nullptr);
  return monotonic_ns() >= deadline_ns;
}

}  // namespace framering
