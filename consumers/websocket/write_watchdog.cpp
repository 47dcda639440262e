// SPDX-License-Identifier: Apache-2.0
#include "write_watchdog.h"

#include <utility>

namespace framering::websocket {

WriteWatchdog::WriteWatchdog(const boost::asio::any_io_executor& executor,
                             std::chrono::milliseconds limit, std::function<void()> stuck)
    : limit_(limit), stuck_(std::move(stuck)), timer_(executor) {}

void WriteWatchdog::write_begins(std::weak_ptr<void> owner) {
  writing_ = true;
  began_ = std::chrono::steady_clock::now();
  if (!armed_) arm(std::move(owner));
}

void WriteWatchdog::arm(std::weak_ptr<void> owner) {
  armed_ = true;
  timer_.expires_at(began_ + limit_);
  timer_.async_wait([this, owner = std::move(owner)](boost::system::error_code error) {
    const auto alive = owner.lock();
    if (!alive) return;
    armed_ = false;
    if (error || !writing_) return;
    if (std::chrono::steady_clock::now() - began_ >= limit_) return stuck_();
    arm(owner);  // that write ended, and a later one is under way
  });
}

}  // namespace framering::websocket
