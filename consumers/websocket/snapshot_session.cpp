// SPDX-License-Identifier: Apache-2.0
#include "snapshot_session.h"

#include <chrono>
#include <utility>

#include "ring/clock.h"
#include "status_json.h"

namespace framering::websocket {

namespace {

// An encoder at rest starts, and takes its first picture, within this time.
constexpr std::chrono::milliseconds kTimeLimit{2000};
// Of a stream that others watch, a picture as fresh as this is as good as the next one.
constexpr std::uint64_t kFreshNs = 50'000'000;

}  // namespace

SnapshotSession::SnapshotSession(const boost::asio::any_io_executor& executor, Handler done)
    : done_(std::move(done)), time_limit_(executor) {}

void SnapshotSession::run(StreamHub& hub, const std::string& stream) {
  asked_at_ns_ = monotonic_ns();
  subscription_ = hub.subscribe(stream, *this, Wish::frames);
  time_limit_.expires_after(kTimeLimit);
  time_limit_.async_wait([self = shared_from_this()](boost::system::error_code error) {
    if (!error || self->finishing_) self->finish();
  });
  on_state(subscription_->state());
  if (const auto start = subscription_->newcomer_start(Wish::frames); !start.empty())
    on_frame(start.back());
}

void SnapshotSession::on_frame(const SharedFrame& frame) {
  if (finishing_ || frame->codec != kCodecMjpeg) return;
  newest_ = frame;
  if (is_fresh(*frame)) finish_soon();
}

void SnapshotSession::on_state(const FeedState& state) {
  const bool wrong = state.codec != 0 && state.codec != kCodecMjpeg;
  if (wrong || !state.refusal.empty()) finish_soon();
}

bool SnapshotSession::is_fresh(const EncodedFrame& frame) const noexcept {
  return frame.published_ns + kFreshNs >= asked_at_ns_;
}

void SnapshotSession::finish_soon() {
  finishing_ = true;
  time_limit_.cancel();  // its handler finishes: not from within the feed
}

void SnapshotSession::finish() {
  if (!subscription_) return;
  const FeedState state = subscription_->state();
  const std::string stream = subscription_->stream();
  subscription_.reset();
  // An old picture tells the truth only of a stream that stands still, not of one that lost its
  // signal.
  const bool still = state.link == Link::attached &&
                     (state.source == SourceState::live || state.source == SourceState::ended);
  if (newest_ != nullptr && (is_fresh(*newest_) || still)) return done_(newest_, {});
  if (!state.refusal.empty()) return done_(nullptr, state.refusal);
  if (state.codec != 0 && state.codec != kCodecMjpeg)
    return done_(nullptr, stream + " is no MJPEG stream");
  done_(nullptr, stream + " has no picture: " + std::string(state_words(state.link, state.source)));
}

}  // namespace framering::websocket
