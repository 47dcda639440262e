// SPDX-License-Identifier: Apache-2.0
//
// One viewer in the counters and in the log: a line when it comes and one when it goes.
#pragma once

#include <boost/asio/ip/address.hpp>
#include <chrono>
#include <string>

#include "counters.h"

namespace framering::websocket {

class ViewerLog {
 public:
  // `counters` must outlive it.
  ViewerLog(Counters& counters, Way way, std::string stream,
            const boost::asio::ip::address& address);
  ViewerLog(const ViewerLog&) = delete;
  ViewerLog& operator=(const ViewerLog&) = delete;
  ~ViewerLog();

  void sent(std::size_t bytes) noexcept;
  void dropped(std::uint64_t frames) noexcept;
  void pause(bool paused) noexcept;
  // Why it goes, if it is not because it wants to.
  void refuse(Refusal why) noexcept;

  [[nodiscard]] std::uint64_t frames_dropped() const noexcept { return own_.frames_dropped; }

 private:
  Counters& counters_;
  WayCounters& way_;
  WayCounters own_;
  const std::string line_;  // "way=direct stream=hdmi/h264 address=192.0.2.1"
  const std::chrono::steady_clock::time_point began_;
  std::string_view why_ = "closed";
  bool paused_ = false;
};

}  // namespace framering::websocket
