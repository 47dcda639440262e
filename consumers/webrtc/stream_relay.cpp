// SPDX-License-Identifier: Apache-2.0
#include "stream_relay.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "annex_b.h"
#include "ring/clock.h"

namespace framering::webrtc {

namespace {

// Several viewers lose the same key frame at the same time: one request is enough.
constexpr std::uint64_t kMerge_ns = 200'000'000;
// What a newcomer is given at once. More would overflow the browser's socket; then the newest key
// frame shows it a picture, and another one is asked for to go on with.
constexpr std::size_t kMaxBurstBytes = 192 << 10;

}  // namespace

StreamRelay::StreamRelay(boost::asio::io_context& io, websocket::StreamHub& hub,
                         const std::string& stream)
    : io_(io), subscription_(hub.subscribe(stream, *this, websocket::Wish::frames)) {
  const auto start = subscription_->newcomer_start(websocket::Wish::frames);
  if (!start.empty()) learn_profile(*start.front());
}

void StreamRelay::join(PacketSink& sink) {
  const auto place = std::find_if(sinks_.begin(), sinks_.end(),
                                  [&](const Place& one) { return one.sink == &sink; });
  if (place == sinks_.end() || std::exchange(place->joined, true)) return;
  auto start = subscription_->newcomer_start(websocket::Wish::frames);
  std::size_t bytes = 0;
  for (const websocket::SharedFrame& frame : start) bytes += frame->bytes.size();
  const bool whole = !start.empty() && bytes <= kMaxBurstBytes;
  if (!whole && !start.empty()) start = start.first(1);
  for (const websocket::SharedFrame& frame : start)
    sink.on_packets(packetize(frame->bytes, frame->key, frame->timestamp_us));
  if (!whole) {
    sink.on_packets(nullptr);
    request_key_frame();
  }
}

void StreamRelay::leave(PacketSink& sink) {
  for (Place& place : sinks_) {
    if (place.sink == &sink) place.joined = false;
  }
}

void StreamRelay::forget(PacketSink& sink) {
  std::erase_if(sinks_, [&](const Place& one) { return one.sink == &sink; });
}

void StreamRelay::request_key_frame() {
  const std::uint64_t now = monotonic_ns();
  if (now - asked_ns_ < kMerge_ns) return;
  asked_ns_ = now;
  subscription_.request_key_frame();
}

void StreamRelay::on_frame(const websocket::SharedFrame& frame) {
  if (frame->key) learn_profile(*frame);
  const auto joined = [](const Place& one) { return one.joined; };
  if (frame->codec != kCodecH264 || std::none_of(sinks_.begin(), sinks_.end(), joined)) return;
  const SharedPackets packets = packetize(frame->bytes, frame->key, frame->timestamp_us);
  for (const Place& place : sinks_) {
    if (place.joined) place.sink->on_packets(packets);
  }
}

void StreamRelay::on_state(const websocket::FeedState&) {
  tell_status();
}

websocket::ViewerLoad StreamRelay::load() {
  websocket::ViewerLoad load;
  for (const Place& place : sinks_)
    load.bytes = std::max(load.bytes, static_cast<std::uint32_t>(place.sink->waiting_bytes()));
  return load;
}

void StreamRelay::learn_profile(const websocket::EncodedFrame& key_frame) {
  const std::string codec = codec_string(parameter_sets_of(key_frame.bytes));  // "avc1.42c01e"
  if (codec.size() != 11) return;
  const bool is_news = profile_.empty();
  profile_ = codec.substr(5);
  if (is_news) tell_status();
}

// Not from within the feed, where nobody may come or go.
void StreamRelay::tell_status() {
  boost::asio::post(io_, [weak = std::weak_ptr(alive_)] {
    const auto alive = weak.lock();
    if (alive == nullptr) return;
    const std::vector<Place> places = (*alive)->sinks_;
    for (const Place& place : places) {
      const auto& now = (*alive)->sinks_;
      const bool there = std::any_of(now.begin(), now.end(),
                                     [&](const Place& one) { return one.sink == place.sink; });
      if (there) place.sink->on_status();
    }
  });
}

}  // namespace framering::webrtc
