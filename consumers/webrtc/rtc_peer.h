// SPDX-License-Identifier: Apache-2.0
//
// One WebRTC connection that sends H.264: webrtcbin in a pipeline of its own.
//
//   push (event loop) ─► appsrc ─► webrtcbin ─► ICE, DTLS, SRTP
//                          ▲ force-key-unit: the viewer's PLI and FIR, through its RTP session
//
// webrtcbin runs threads of its own and calls back from them; everything here happens on the event
// loop, to which those calls are posted.
#pragma once

#include <gst/gst.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gst_ptr.h"
#include "packets.h"
#include "reaper.h"

namespace framering::webrtc {

// How connections find their way. With neither server, only this host's own addresses are told and
// nobody else is asked: LAN mode.
struct IceSettings {
  std::string stun;                          // "stun://host:port"; empty: none
  std::string turn;                          // "turn://user:password@host:port"; empty: none
  std::uint16_t min_port = 0, max_port = 0;  // UDP; 0: any
};

struct RtpFormat {
  RtpStream rtp;
  std::string profile_level_id;  // to offer; an answer takes over the offer's
};

class RtcPeer : public std::enable_shared_from_this<RtcPeer> {
 public:
  // On the event loop, never from within a call to the peer.
  class Owner {
   public:
    virtual ~Owner() = default;
    // The local description, with the candidates that were found.
    virtual void peer_described(const std::string& sdp) = 0;
    virtual void peer_connected() = 0;
    virtual void peer_wants_key_frame() = 0;
    virtual void peer_failed(const std::string& why) = 0;
  };

  // Throws std::runtime_error when GStreamer lacks an element, with its name and package. Makes
  // what the first viewer would have to wait for: the certificate.
  static void warm_up();
  // Throws std::runtime_error. `reaper` outlives it.
  static std::shared_ptr<RtcPeer> make(boost::asio::io_context& io, Reaper& reaper,
                                       const IceSettings& ice, const RtpFormat& format,
                                       Owner& owner);
  ~RtcPeer();
  RtcPeer(const RtcPeer&) = delete;
  RtcPeer& operator=(const RtcPeer&) = delete;

  // One of the two, once; then peer_described or peer_failed.
  void answer(const std::string& offer);
  void offer();
  void accept_answer(const std::string& answer);
  void add_candidate(const std::string& candidate);
  // With the candidates found so far, where a server that was asked for more does not answer.
  // False: there is no description yet.
  [[nodiscard]] bool describe();
  [[nodiscard]] const std::vector<std::string>& candidates() const noexcept { return candidates_; }

  void push(const PacketizedFrame& frame);
  [[nodiscard]] std::uint64_t waiting_bytes() const;
  // CLOCK_MONOTONIC when the viewer last said something (RTCP); 0: never.
  [[nodiscard]] std::uint64_t heard_ns() const noexcept;
  // The owner is not called any more.
  void close();

 private:
  struct Link;  // what webrtcbin's threads see of this
  RtcPeer(Reaper& reaper, const RtpFormat& format, Owner& owner);
  void build(const IceSettings& ice, const RtpFormat& format);
  void set_up_ice(const IceSettings& ice);
  void watch();

  Reaper& reaper_;
  Owner* owner_;  // null: closed
  RtpStream rtp_;
  std::shared_ptr<Link> link_;
  std::vector<std::string> candidates_;
  bool described_ = false;
  GstPtr<GstElement> pipeline_, webrtc_, source_;
};

}  // namespace framering::webrtc
