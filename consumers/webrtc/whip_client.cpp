// SPDX-License-Identifier: Apache-2.0
#include "whip_client.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <utility>

#include "ring/clock.h"
#include "sdp.h"

namespace framering::webrtc {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kFirstBackOff{500}, kLongestBackOff{30'000};
constexpr milliseconds kGatherLimit{2000};  // what is found by then has to do
constexpr milliseconds kConnectLimit{15'000};
constexpr milliseconds kWatchInterval{1000};
constexpr std::uint64_t kSilenceLimit_ns = 10'000'000'000;
// After this a connection counts as a good one, and the next attempt comes soon.
constexpr std::uint64_t kGood_ns = 10'000'000'000;
constexpr std::uint64_t kMaxWaitingBytes = 2u << 20;
constexpr std::uint8_t kPayloadType = 96;

}  // namespace

WhipClient::WhipClient(boost::asio::io_context& io, Reaper& reaper, websocket::StreamHub& hub,
                       WhipTarget target)
    : io_(io),
      reaper_(reaper),
      hub_(hub),
      target_(std::move(target)),
      timer_(io),
      back_off_(kFirstBackOff) {}

WhipClient::~WhipClient() {
  if (peer_ != nullptr) peer_->close();
}

void WhipClient::start() {
  relay_ = std::make_unique<StreamRelay>(io_, hub_, target_.stream);
  relay_->add(*this);
  waiting_ = false;
  begin();
}

void WhipClient::on_status() {
  if (const std::string& refusal = relay_->status().refusal; !refusal.empty())
    spdlog::error("{}: {}", target_.stream, refusal);
  begin();
}

// Once its profile is known, which the offer has to name.
void WhipClient::begin() {
  if (waiting_ || peer_ != nullptr || relay_->profile().empty()) return;
  std::random_device random;
  RtpFormat format;
  format.rtp.payload_type = kPayloadType;
  format.rtp.ssrc = random() | 1u;
  format.rtp.sequence = static_cast<std::uint16_t>(random() & 0x7fff);
  format.rtp.time_offset = random();
  format.profile_level_id = relay_->profile();
  ++attempt_;
  connected_ = gap_ = false;
  try {
    peer_ = RtcPeer::make(io_, reaper_, target_.ice, format, *this);
    peer_->offer();
    after(kGatherLimit, [](WhipClient& self) {
      static_cast<void>(self.peer_->describe());
      self.after(kConnectLimit, [](WhipClient& late) {
        if (!late.connected_) late.end("no connection within 15 s");
      });
    });
  } catch (const std::exception& error) {
    end(error.what());
  }
}

void WhipClient::peer_described(const std::string& sdp) {
  const H264Format format{kPayloadType, 0, relay_->profile(), true};
  HttpRequest request{"POST", target_.url, "application/sdp",
                      full_offer(sdp, format, peer_->candidates()), target_.token()};
  fetch(io_, std::move(request),
        [weak = weak_from_this(), attempt = attempt_](const HttpReply& reply) {
          if (const auto self = weak.lock()) self->answered(reply, attempt);
        });
}

void WhipClient::answered(const HttpReply& reply, std::uint64_t attempt) {
  if (attempt != attempt_ || peer_ == nullptr) return;  // too late
  if (reply.status == 0) return end(reply.error);
  if (reply.status != 201)
    return end("the server answers " + std::to_string(reply.status) + ": " +
               reply.body.substr(0, 200));
  try {
    if (!reply.location.empty()) resource_ = reply.url.resolve(reply.location);
    peer_->accept_answer(reply.body);
  } catch (const std::exception& error) {
    end(error.what());
  }
}

void WhipClient::peer_connected() {
  if (std::exchange(connected_, true)) return;
  connected_ns_ = monotonic_ns();
  spdlog::info("{} is published to {}", target_.stream, target_.url.text());
  relay_->join(*this);
  watch();
}

void WhipClient::watch() {
  after(kWatchInterval, [](WhipClient& self) {
    const std::uint64_t heard = std::max(self.peer_->heard_ns(), self.connected_ns_);
    if (monotonic_ns() - heard > kSilenceLimit_ns) return self.end("the server is silent");
    self.watch();
  });
}

void WhipClient::on_packets(const SharedPackets& frame) {
  if (frame == nullptr) gap_ = true;
  if (frame == nullptr || peer_ == nullptr || (gap_ && !frame->key)) return;
  if (peer_->waiting_bytes() > kMaxWaitingBytes) {
    gap_ = true;
    return relay_->request_key_frame();
  }
  gap_ = false;
  peer_->push(*frame);
}

std::uint64_t WhipClient::waiting_bytes() const {
  return peer_ != nullptr ? peer_->waiting_bytes() : 0;
}

void WhipClient::peer_wants_key_frame() {
  relay_->request_key_frame();
}

void WhipClient::peer_failed(const std::string& why) {
  end(why);
}

// The next attempt comes after a pause that doubles, up to half a minute, with a random part so
// that many publishers do not come back at the same moment.
void WhipClient::end(const std::string& why) {
  ++attempt_;
  if (connected_ && monotonic_ns() - connected_ns_ > kGood_ns) back_off_ = kFirstBackOff;
  spdlog::warn("{} is not published to {}: {}; next attempt in about {} ms", target_.stream,
               target_.url.text(), why, back_off_.count());
  relay_->leave(*this);
  if (peer_ != nullptr) peer_->close();
  peer_.reset();
  leave_server([] {});
  waiting_ = true;
  const auto pause =
      back_off_ * 3 / 4 +
      milliseconds(std::random_device()() % (static_cast<std::uint32_t>(back_off_.count()) / 2));
  back_off_ = std::min(back_off_ * 2, kLongestBackOff);
  after(pause, [](WhipClient& self) {
    self.waiting_ = false;
    self.begin();
  });
}

void WhipClient::leave_server(std::function<void()> done) {
  if (!resource_) return done();
  HttpRequest request{"DELETE", *std::exchange(resource_, std::nullopt), {}, {}, target_.token()};
  fetch(io_, std::move(request), [done = std::move(done)](const HttpReply&) { done(); });
}

void WhipClient::stop(std::function<void()> done) {
  timer_.cancel();
  waiting_ = true;
  ++attempt_;
  if (peer_ != nullptr) peer_->close();
  peer_.reset();
  leave_server(std::move(done));
}

void WhipClient::after(milliseconds time, void (*then)(WhipClient&)) {
  timer_.expires_after(time);
  timer_.async_wait(
      [weak = weak_from_this(), attempt = attempt_, then](boost::system::error_code error) {
        const auto self = weak.lock();
        // A time that had come already is not cancelled any more by what ended the attempt.
        if (!error && self != nullptr && attempt == self->attempt_) then(*self);
      });
}

}  // namespace framering::webrtc
