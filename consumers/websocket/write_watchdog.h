// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <functional>
#include <memory>

namespace framering::websocket {

// Notices a peer that takes nothing any more. Sets its timer about once per time limit, not once
// for each frame, however many writes there are.
class WriteWatchdog {
 public:
  // `stuck` is called when a write has taken `limit`.
  WriteWatchdog(const boost::asio::any_io_executor& executor, std::chrono::milliseconds limit,
                std::function<void()> stuck);

  // `owner` owns the watchdog and whatever `stuck` uses; once it is gone nothing is called.
  void write_begins(std::weak_ptr<void> owner);
  void write_ends() noexcept { writing_ = false; }
  void cancel() { timer_.cancel(); }

 private:
  void arm(std::weak_ptr<void> owner);

  const std::chrono::milliseconds limit_;
  const std::function<void()> stuck_;
  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point began_{};
  bool writing_ = false;
  bool armed_ = false;
};

}  // namespace framering::websocket
