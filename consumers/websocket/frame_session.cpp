// SPDX-License-Identifier: Apache-2.0
#include "frame_session.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "ring/clock.h"
#include "status_json.h"

namespace framering::websocket {

namespace {

using boost::beast::websocket::close_code;

constexpr std::uint64_t kTimingInterval_ns = 200'000'000;
// Then the others get theirs: a newcomer's first group of pictures may be long.
constexpr int kMessagesPerTurn = 8;

std::unique_ptr<ViewerLog> log_of(const Connection& connection, const Services& services,
                                  const FrameWish& wish) {
  const Way way = wish.form == Wish::fragments ? Way::mp4 : Way::direct;
  return std::make_unique<ViewerLog>(services.counters, way, wish.stream,
                                     connection.ticket.address());
}

}  // namespace

// In braces, arguments are evaluated from left to right: the log looks at both before they are
// moved.
FrameSession::FrameSession(Connection connection, Services services, FrameWish wish)
    : FrameSession{log_of(connection, services, wish), std::move(connection), services.hub,
                   std::move(wish)} {}

FrameSession::FrameSession(std::unique_ptr<ViewerLog> log, Connection connection, StreamHub& hub,
                           FrameWish wish)
    : WebSocketPeer(std::move(connection), std::move(log)),
      hub_(hub),
      wish_(std::move(wish)),
      flow_(wish_.window) {}

void FrameSession::on_open() {
  resume();
}

void FrameSession::on_message(std::span<const std::byte> message, bool binary) {
  if (!binary) return;
  const ClientMessage parsed = parse_client_message(message);
  switch (parsed.kind) {
    case ClientMessage::Kind::acknowledge:
      acknowledged(parsed.number);
      break;
    case ClientMessage::Kind::resync:
      flow_.resync();
      break;
    case ClientMessage::Kind::pause:
      pause();
      break;
    case ClientMessage::Kind::resume:
      if (std::exchange(paused_, false)) resume();
      break;
    case ClientMessage::Kind::clock:
      asked_ = parsed.number;
      break;
    case ClientMessage::Kind::unknown:
      break;
  }
  write_next();
}

void FrameSession::acknowledged(std::uint64_t timestamp_us) {
  line_.arrived(flow_.acknowledge(timestamp_us));
  if (flow_.in_flight() == 0) line_.idle(monotonic_ns());
}

// Nothing is sent, and nothing is asked of the encoder for this viewer's sake.
void FrameSession::pause() {
  if (!open() || std::exchange(paused_, true)) return;
  account();
  subscribe(false);
  pending_ = nullptr;
  flow_.pause();
  log().pause(true);
}

void FrameSession::resume() {
  if (!open()) return;
  subscribe(true);
  log().pause(false);
  if (!subscription_) return;
  flow_.begin(subscription_->newcomer_start(wish_.form));
  on_state(subscription_->state());
  write_next();
}

void FrameSession::subscribe(bool to_frames) {
  try {
    // The new one first: a feed without anybody would begin to go to rest.
    subscription_ = hub_.subscribe(wish_.stream, *this, to_frames ? wish_.form : Wish::state_only);
  } catch (const std::exception& error) {
    close(close_code::try_again_later, error.what());
  }
}

void FrameSession::on_frame(const SharedFrame& frame) {
  flow_.offer(frame);
  account();
  write_next();
  // Only now: a frame that goes out at once has not waited.
  most_behind_ = std::max(most_behind_, static_cast<std::uint32_t>(flow_.behind()));
}

void FrameSession::on_state(const FeedState& state) {
  if (!state.refusal.empty()) close(close_code::policy_error, state.refusal);
  if (state.codec != 0 && state.codec != kCodecH264)
    close(close_code::policy_error, wish_.stream + " has another codec");
}

void FrameSession::account() {
  log().dropped(flow_.dropped() - dropped_);
  dropped_ = flow_.dropped();
}

void FrameSession::write_next() {
  if (to_go_on_) return;
  for (int turn = 0; turn < kMessagesPerTurn; ++turn) {
    if (writing() || !open() || !write_one()) return;
  }
  to_go_on_ = true;
  boost::asio::post(executor(), [weak = weak_from_this(), this] {
    const auto self = weak.lock();
    if (!self) return;
    to_go_on_ = false;
    write_next();
  });
}

// False: there is nothing to write.
bool FrameSession::write_one() {
  if (asked_) {
    write_text(clock_json(*std::exchange(asked_, std::nullopt), monotonic_ns()));
    return true;
  }
  if (pending_ == nullptr) pending_ = flow_.next();
  if (pending_ == nullptr) return false;
  if (write_before_frame()) return true;
  written_ = std::move(pending_);
  header_ = wish_.form == Wish::fragments ? mp4_header(*written_) : direct_header(*written_);
  log().sent(header_.size + written_->bytes.size());
  write_binary(written_->bytes);
  return true;
}

// What has to be told before pending_; false: nothing more.
bool FrameSession::write_before_frame() {
  const std::shared_ptr<const InitSegment>& init = pending_->init;
  if (init != announced_) {
    announced_ = init;
    write_text(init_json(*init));
    return true;
  }
  if (init != init_) {
    init_ = init;
    header_ = mp4_init_header();
    write_binary(init_->bytes);
    return true;
  }
  const std::uint64_t now_ns = monotonic_ns();
  if (!wish_.timing || now_ns - timed_ns_ < kTimingInterval_ns) return false;
  timed_ns_ = now_ns;
  write_text(timing_json(*pending_, now_ns, flow_.dropped()));
  return true;
}

void FrameSession::write_text(std::string text) {
  text_ = std::move(text);
  write(MessageKind::text, {}, std::as_bytes(std::span(text_)));
}

// After header_.
void FrameSession::write_binary(const std::vector<std::byte>& bytes) {
  write(MessageKind::binary, std::span(header_.bytes).first(header_.size), bytes);
  if (writing() || wish_.window != 0) line_.busy(monotonic_ns());
  if (!writing()) written_ = nullptr;
}

void FrameSession::on_writable() {
  if (wish_.window == 0) {
    if (written_ != nullptr) line_.arrived(written_->bytes.size());
    line_.idle(monotonic_ns());
  }
  written_ = nullptr;
  write_next();
}

ViewerLoad FrameSession::load() {
  ViewerLoad load{.frames = std::exchange(most_behind_, 0),
                  .bytes = static_cast<std::uint32_t>(flow_.queued_bytes()),
                  .kbps = 0};
  if (load.frames != 0)
    load.kbps = line_.take_kbps(monotonic_ns());
  else
    line_.forget(monotonic_ns());
  return load;
}

void FrameSession::on_closed() {
  account();
  subscription_.reset();
}

}  // namespace framering::websocket
