// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <map>
#include <memory>
#include <string>

#include "stream_hub.h"
#include "whep_session.h"

namespace framering::webrtc {

// All viewers, by the unguessable last part of their address, and the relays they watch.
class WhepSessions {
 public:
  WhepSessions(boost::asio::io_context& io, websocket::StreamHub& hub, const IceSettings& ice,
               std::size_t max_viewers);
  ~WhepSessions();
  WhepSessions(const WhepSessions&) = delete;
  WhepSessions& operator=(const WhepSessions&) = delete;

  // Calls `respond` once, now or later; `id` names the session if that is a success.
  void begin(const std::string& stream, const std::string& sdp,
             const std::function<void(const WhepAnswer&, const std::string& id)>& respond);
  [[nodiscard]] WhepSession* find(const std::string& id) const;
  void end(const std::string& id) { sessions_.erase(id); }

  void limit(std::size_t max_viewers) noexcept { max_viewers_ = max_viewers; }
  [[nodiscard]] std::size_t count() const noexcept { return sessions_.size(); }
  [[nodiscard]] const IceSettings& ice() const noexcept { return ice_; }

 private:
  [[nodiscard]] std::shared_ptr<StreamRelay> relay_of(const std::string& stream);
  void sweep();

  boost::asio::io_context& io_;
  websocket::StreamHub& hub_;
  const IceSettings ice_;
  std::size_t max_viewers_;
  boost::asio::steady_timer sweep_timer_;
  Reaper reaper_;  // outlives the sessions, and is waited for
  std::map<std::string, std::weak_ptr<StreamRelay>> relays_;
  std::map<std::string, std::shared_ptr<WhepSession>> sessions_;
};

}  // namespace framering::webrtc
