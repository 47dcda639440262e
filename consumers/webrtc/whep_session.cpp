// SPDX-License-Identifier: Apache-2.0
#include "whep_session.h"

#include <spdlog/spdlog.h>

#include <boost/asio/post.hpp>
#include <chrono>
#include <random>
#include <utility>

#include "ring/clock.h"

namespace framering::webrtc {

namespace {

// A stream that is just starting gets this long until its viewer is told that there is none.
constexpr std::chrono::milliseconds kStreamLimit{1000};
// STUN and TURN servers that do not answer: what is found by then has to do.
constexpr std::chrono::milliseconds kGatherLimit{1000};
constexpr std::chrono::milliseconds kAnswerLimit{3000};
constexpr std::uint64_t kConnectLimit_ns = 10'000'000'000;
constexpr std::uint64_t kSilenceLimit_ns = 10'000'000'000;  // browsers report every second
// A viewer that needs more key frames than this has a line that they make worse.
constexpr std::uint64_t kKeyRequestSpacing_ns = 1'000'000'000;
constexpr std::uint64_t kMaxWaitingBytes = 2u << 20;

std::uint32_t random_number() {
  static std::random_device device;  // not a sequence that viewers could predict
  return device();
}

RtpFormat format_for(const Offer& offer, const H264Format& format) {
  RtpFormat result;
  result.rtp.payload_type = static_cast<std::uint8_t>(format.payload_type);
  result.rtp.ssrc = random_number() | 1u;                                      // 0 is no SSRC
  result.rtp.sequence = static_cast<std::uint16_t>(random_number() & 0x7fff);  // RFC 3711, 3.3.1
  result.rtp.time_offset = random_number();
  result.rtp.playout_delay_id = static_cast<std::uint8_t>(offer.playout_delay_id);
  return result;
}

}  // namespace

WhepSession::WhepSession(boost::asio::io_context& io, std::string id, Offer offer,
                         std::shared_ptr<StreamRelay> relay, Respond respond,
                         std::function<void()> ended)
    : io_(io),
      id_(std::move(id)),
      etag_("\"" + std::to_string(random_number()) + "\""),
      offer_(std::move(offer)),
      relay_(std::move(relay)),
      respond_(std::move(respond)),
      ended_(std::move(ended)),
      deadline_(io),
      began_ns_(monotonic_ns()) {
  relay_->add(*this);
}

WhepSession::~WhepSession() {
  relay_->forget(*this);
  if (peer_ != nullptr) peer_->close();
}

void WhepSession::begin(Reaper& reaper, const IceSettings& ice) {
  reaper_ = &reaper;
  ice_ = ice;
  limit(kStreamLimit, [](WhepSession& self) { self.decide(true); });
  decide(false);
}

void WhepSession::limit(std::chrono::milliseconds time, void (*then)(WhepSession&)) {
  deadline_.expires_after(time);
  deadline_.async_wait([weak = weak_from_this(), then](boost::system::error_code error) {
    const auto self = weak.lock();
    if (!error && self != nullptr && self->respond_) then(*self);
  });
}

// Starts as soon as the stream is known, for the profile to be the right one.
void WhepSession::decide(bool now_or_never) {
  if (peer_ != nullptr || !respond_) return;
  const websocket::FeedState& stream = relay_->status();
  if (!stream.refusal.empty()) return refuse(403, stream.refusal);
  if (stream.codec != 0 && stream.codec != kCodecH264)
    return refuse(406, "the stream is not H.264, which is all that goes out by WebRTC");
  if (!relay_->profile().empty()) return start();
  if (!now_or_never) return;
  if (stream.link == Link::no_broker) return refuse(503, "the broker is not running");
  if (stream.link == Link::no_stream) return refuse(404, "nobody produces this stream");
  start();  // a source without a signal, for example; pictures come when it has one
}

void WhepSession::start() {
  limit(kGatherLimit, [](WhepSession& self) {
    if (self.peer_->describe()) return;
    self.limit(kAnswerLimit,
               [](WhepSession& late) { late.refuse(504, "no answer could be made in time"); });
  });
  try {
    format_ = choose_format(offer_, relay_->profile());
    peer_ = RtcPeer::make(io_, *reaper_, ice_, format_for(offer_, format_), *this);
    peer_->answer(plain_offer(offer_, format_));
  } catch (const std::exception& error) {
    refuse(500, error.what());
  }
}

void WhepSession::peer_described(const std::string& sdp) {
  if (!respond_) return;
  try {
    const std::string answer = full_answer(offer_, format_, sdp, peer_->candidates());
    deadline_.cancel();
    std::exchange(respond_, nullptr)({201, answer});
  } catch (const SdpError& error) {
    refuse(400, error.what());
  }
}

void WhepSession::peer_connected() {
  if (std::exchange(connected_, true)) return;
  relay_->join(*this);
}

void WhepSession::on_packets(const SharedPackets& frame) {
  if (frame == nullptr) {
    gap_ = true;
    return;
  }
  if (gap_ && !frame->key) return;
  if (peer_->waiting_bytes() > kMaxWaitingBytes) {
    gap_ = true;
    return peer_wants_key_frame();
  }
  gap_ = false;
  peer_->push(*frame);
}

std::uint64_t WhepSession::waiting_bytes() const {
  return peer_ != nullptr ? peer_->waiting_bytes() : 0;
}

void WhepSession::peer_wants_key_frame() {
  const std::uint64_t now = monotonic_ns();
  if (asked_ns_ != 0 && now - asked_ns_ < kKeyRequestSpacing_ns) return;
  asked_ns_ = now;
  relay_->request_key_frame();
}

void WhepSession::peer_failed(const std::string& why) {
  spdlog::debug("viewer {}: {}", id_, why);
  if (respond_) return refuse(400, why);
  end_later();
}

bool WhepSession::add_candidate(const std::string& candidate) {
  if (++candidates_ > kMaxCandidates) return false;
  if (peer_ != nullptr) peer_->add_candidate(candidate);
  return true;
}

bool WhepSession::vanished(std::uint64_t now_ns) const {
  if (!connected_) return now_ns - began_ns_ > kConnectLimit_ns;
  const std::uint64_t heard = std::max(peer_->heard_ns(), began_ns_);
  return now_ns > heard && now_ns - heard > kSilenceLimit_ns;
}

void WhepSession::refuse(unsigned status, const std::string& why) {
  deadline_.cancel();
  std::exchange(respond_, nullptr)({status, why});
  end_later();
}

// Its owner destroys it, so not from within.
void WhepSession::end_later() {
  if (ended_) boost::asio::post(io_, std::exchange(ended_, nullptr));
}

}  // namespace framering::webrtc
