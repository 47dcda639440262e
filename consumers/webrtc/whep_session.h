// SPDX-License-Identifier: Apache-2.0
//
// One viewer, from its POST to its end (draft-ietf-wish-whep, RFC 9725).
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "rtc_peer.h"
#include "sdp.h"
#include "stream_relay.h"

namespace framering::webrtc {

// What a POST is answered with.
struct WhepAnswer {
  unsigned status = 201;
  std::string body;  // the answer, or a sentence that says why not
};

class WhepSession final : public RtcPeer::Owner,
                          public PacketSink,
                          public std::enable_shared_from_this<WhepSession> {
 public:
  using Respond = std::function<void(const WhepAnswer&)>;

  // `ended` is called once, from the event loop, when the session is over by itself.
  WhepSession(boost::asio::io_context& io, std::string id, Offer offer,
              std::shared_ptr<StreamRelay> relay, Respond respond, std::function<void()> ended);
  ~WhepSession() override;
  WhepSession(const WhepSession&) = delete;
  WhepSession& operator=(const WhepSession&) = delete;

  // `reaper`, `ice`: as for RtcPeer::make.
  void begin(Reaper& reaper, const IceSettings& ice);
  // Whether it never connected, or has not been heard for too long.
  [[nodiscard]] bool vanished(std::uint64_t now_ns) const;
  // False: it has had more than enough of them.
  [[nodiscard]] bool add_candidate(const std::string& candidate);

  [[nodiscard]] const std::string& id() const noexcept { return id_; }
  [[nodiscard]] const Offer& offer() const noexcept { return offer_; }
  [[nodiscard]] const std::string& etag() const noexcept { return etag_; }

  void on_packets(const SharedPackets& frame) override;
  [[nodiscard]] std::uint64_t waiting_bytes() const override;
  void on_status() override { decide(false); }
  void peer_described(const std::string& sdp) override;
  void peer_connected() override;
  void peer_wants_key_frame() override;
  void peer_failed(const std::string& why) override;

 private:
  void decide(bool now_or_never);
  // Unless the POST has been answered by then.
  void limit(std::chrono::milliseconds time, void (*then)(WhepSession&));
  void start();
  void refuse(unsigned status, const std::string& why);
  void end_later();

  boost::asio::io_context& io_;
  const std::string id_, etag_;
  const Offer offer_;
  const std::shared_ptr<StreamRelay> relay_;
  Respond respond_;  // empty: has been called
  std::function<void()> ended_;
  boost::asio::steady_timer deadline_;
  Reaper* reaper_ = nullptr;
  IceSettings ice_;
  H264Format format_;
  std::shared_ptr<RtcPeer> peer_;
  std::uint64_t began_ns_;
  std::uint64_t asked_ns_ = 0;  // for a key frame
  std::size_t candidates_ = 0;  // by PATCH
  bool connected_ = false;
  bool gap_ = false;  // nothing until the next key frame
};

}  // namespace framering::webrtc
