// SPDX-License-Identifier: Apache-2.0
//
// One stream for all of its WebRTC viewers: read from the ring once, cut into packets once.
//
//   StreamFeed (consumers/websocket) ─► StreamRelay: packetize ─┬─► WhepSession ─► RtcPeer
//                                                               └─► WhepSession ─► RtcPeer
#pragma once

#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "packets.h"
#include "stream_hub.h"

namespace framering::webrtc {

class PacketSink {
 public:
  virtual ~PacketSink() = default;
  // Must not join or leave from within.
  virtual void on_packets(const SharedPackets& frame) = 0;
  [[nodiscard]] virtual std::uint64_t waiting_bytes() const = 0;
  // What status() says has changed; from the event loop.
  virtual void on_status() = 0;
};

class StreamRelay final : public websocket::Viewer {
 public:
  // Throws as StreamHub::subscribe does.
  StreamRelay(boost::asio::io_context& io, websocket::StreamHub& hub, const std::string& stream);

  // Until forgotten, a sink hears of the status; from join on it gets packets, the newest key frame
  // and what followed it at once.
  void add(PacketSink& sink) { sinks_.push_back({&sink, false}); }
  void join(PacketSink& sink);
  void leave(PacketSink& sink);
  void forget(PacketSink& sink);
  // All viewers' requests, merged.
  void request_key_frame();

  [[nodiscard]] const websocket::FeedState& status() const noexcept {
    return subscription_->state();
  }
  // profile_idc, constraints and level of the stream as six hex digits; empty: not known yet.
  [[nodiscard]] const std::string& profile() const noexcept { return profile_; }

  void on_frame(const websocket::SharedFrame& frame) override;
  void on_state(const websocket::FeedState& state) override;
  [[nodiscard]] websocket::ViewerLoad load() override;

 private:
  struct Place {
    PacketSink* sink;
    bool joined;
  };
  void learn_profile(const websocket::EncodedFrame& key_frame);
  void tell_status();

  boost::asio::io_context& io_;
  std::shared_ptr<StreamRelay*> alive_ = std::make_shared<StreamRelay*>(this);
  std::vector<Place> sinks_;
  std::string profile_;
  std::uint64_t asked_ns_ = 0;
  websocket::Subscription subscription_;  // last: it calls what is above
};

}  // namespace framering::webrtc
