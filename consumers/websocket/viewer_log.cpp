// SPDX-License-Identifier: Apache-2.0
#include "viewer_log.h"

#include <spdlog/spdlog.h>

namespace framering::websocket {

ViewerLog::ViewerLog(Counters& counters, Way way, std::string stream,
                     const boost::asio::ip::address& address)
    : counters_(counters),
      way_(counters.of(way)),
      line_("way=" + std::string(kWayNames[static_cast<std::size_t>(way)]) +
            " stream=" + std::move(stream) + " address=" + address.to_string()),
      began_(std::chrono::steady_clock::now()) {
  ++way_.viewers;
  ++way_.viewers_ever;
  spdlog::info("viewer comes {}", line_);
}

ViewerLog::~ViewerLog() {
  pause(false);
  --way_.viewers;
  const std::chrono::duration<double> stayed = std::chrono::steady_clock::now() - began_;
  spdlog::info("viewer goes {} why={} seconds={:.1f} frames={} dropped={} bytes={}", line_, why_,
               stayed.count(), own_.frames_sent, own_.frames_dropped, own_.bytes_sent);
}

void ViewerLog::sent(std::size_t bytes) noexcept {
  ++own_.frames_sent;
  ++way_.frames_sent;
  own_.bytes_sent += bytes;
  way_.bytes_sent += bytes;
}

void ViewerLog::dropped(std::uint64_t frames) noexcept {
  own_.frames_dropped += frames;
  way_.frames_dropped += frames;
}

void ViewerLog::pause(bool paused) noexcept {
  if (paused == paused_) return;
  paused_ = paused;
  paused ? ++way_.paused : --way_.paused;
}

void ViewerLog::refuse(Refusal why) noexcept {
  counters_.refuse(why);
  why_ = kRefusalNames[static_cast<std::size_t>(why)];
}

}  // namespace framering::websocket
