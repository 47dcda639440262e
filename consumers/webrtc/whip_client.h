// SPDX-License-Identifier: Apache-2.0
//
// Publishes one stream to a server that takes WHIP (RFC 9725): LiveKit, MediaMTX and others, which
// fan it out to more viewers than one machine serves.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "http_client.h"
#include "rtc_peer.h"
#include "stream_relay.h"

namespace framering::webrtc {

struct WhipTarget {
  Url url;
  std::string stream;
  std::function<std::string()> token;  // for each attempt; empty: none is sent
  IceSettings ice;
};

// Begins when the stream has its first key frame, and begins anew, later and later, whenever it
// ends. One object for the life of the program.
class WhipClient final : public RtcPeer::Owner,
                         public PacketSink,
                         public std::enable_shared_from_this<WhipClient> {
 public:
  WhipClient(boost::asio::io_context& io, Reaper& reaper, websocket::StreamHub& hub,
             WhipTarget target);
  ~WhipClient() override;
  WhipClient(const WhipClient&) = delete;
  WhipClient& operator=(const WhipClient&) = delete;

  void start();
  // Ends the session at the server, then calls `done`.
  void stop(std::function<void()> done);

  void on_packets(const SharedPackets& frame) override;
  [[nodiscard]] std::uint64_t waiting_bytes() const override;
  void on_status() override;
  void peer_described(const std::string& sdp) override;
  void peer_connected() override;
  void peer_wants_key_frame() override;
  void peer_failed(const std::string& why) override;

 private:
  void begin();
  void answered(const HttpReply& reply, std::uint64_t attempt);
  void end(const std::string& why);
  void leave_server(std::function<void()> done);
  // Unless this attempt is over by then.
  void after(std::chrono::milliseconds time, void (*then)(WhipClient&));
  void watch();

  boost::asio::io_context& io_;
  Reaper& reaper_;
  websocket::StreamHub& hub_;
  const WhipTarget target_;
  boost::asio::steady_timer timer_;
  std::unique_ptr<StreamRelay> relay_;
  std::shared_ptr<RtcPeer> peer_;  // null: waiting for the stream or for the next attempt
  std::optional<Url> resource_;    // of the session at the server
  std::uint64_t attempt_ = 0;      // what a reply, or a time, belongs to
  std::chrono::milliseconds back_off_;
  bool waiting_ = true;  // for the next attempt's time
  bool connected_ = false;
  std::uint64_t connected_ns_ = 0;
  bool gap_ = false;
};

}  // namespace framering::webrtc
