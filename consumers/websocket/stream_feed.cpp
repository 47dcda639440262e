// SPDX-License-Identifier: Apache-2.0
#include "stream_feed.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace framering::websocket {

namespace {

namespace asio = boost::asio;

// A page that is loaded again leaves and comes back: the encoder need not notice.
constexpr std::chrono::milliseconds kLinger{1000};
// Then the sockets get their turn.
constexpr int kFramesPerTurn = 32;

ReaderOptions reader_options(const std::string& socket_dir, const std::string& stream) {
  ReaderOptions options;
  options.stream = stream;
  options.socket_dir = socket_dir;
  options.name = "framering-websocket";
  options.policy = Policy::live;
  options.start = Start::key;
  options.bell = Bell::line;  // for event loops of any uid, trusted or not
  options.demand = false;
  return options;
}

std::uint64_t timestamp_us(const Frame& frame) {
  return (frame.meta.captured_ns != 0 ? frame.meta.captured_ns : frame.published_ns) / 1000;
}

}  // namespace

StreamFeed::StreamFeed(asio::io_context& io, const std::string& socket_dir,
                       const std::string& stream, std::function<void(const StreamFeed&)> unused)
    : stream_(stream),
      unused_(std::move(unused)),
      reader_(reader_options(socket_dir, stream)),
      reader_event_(io, reader_.event_fd()),
      linger_(io) {}

StreamFeed::~StreamFeed() {
  stop();
}

void StreamFeed::start() {
  rest_when_unused();
  read();
}

void StreamFeed::stop() {
  if (std::exchange(stopped_, true)) return;
  linger_.cancel();
  reader_event_.release();  // the reader closes it
}

Subscription StreamFeed::subscribe(Viewer& viewer, Wish wish) {
  (wish == Wish::frames ? viewers_ : watchers_).push_back(&viewer);
  if (wish == Wish::frames) linger_.cancel();
  if (wish == Wish::frames && !std::exchange(demand_, true)) {
    reader_.set_demand(true);
    // What was published while nobody looked here is in the ring, if others looked.
    static_cast<void>(reader_.jump_to_newest_key());
    asio::post(reader_event_.get_executor(), [self = shared_from_this()] { self->read(); });
  } else if (wish == Wish::frames && last_timestamp_us_ != 0 && gop_.frames().empty()) {
    reader_.request_key_frame();  // this group of pictures is too large to keep
  }
  return {shared_from_this(), viewer};
}

void StreamFeed::unsubscribe(Viewer& viewer) {
  std::erase(viewers_, &viewer);
  std::erase(watchers_, &viewer);
  if (viewers_.empty() && !stopped_) rest_when_unused();
}

void StreamFeed::rest_when_unused() {
  linger_.expires_after(kLinger);
  linger_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_ || !self->viewers_.empty()) return;
    self->demand_ = false;
    self->reader_.set_demand(false);
    self->gop_.clear();
    if (self->watchers_.empty()) self->unused_(*self);
  });
}

void StreamFeed::wait_for_reader() {
  if (std::exchange(waiting_, true)) return;
  reader_event_.async_wait(asio::posix::stream_descriptor::wait_read,
                           [weak = weak_from_this()](boost::system::error_code error) {
                             const auto self = weak.lock();
                             if (error || !self) return;
                             self->waiting_ = false;
                             self->read();
                           });
}

void StreamFeed::read() {
  for (int turn = 0; turn < kFramesPerTurn && !stopped_; ++turn) {
    Frame frame;
    const ReadResult result = reader_.lease_next(frame, std::chrono::nanoseconds(0));
    if (result == ReadResult::frame) {
      if (demand_) take(frame);
      reader_.release(frame);
      continue;
    }
    tell_state();
    if (result == ReadResult::refused) return;
    if (result != ReadResult::state_changed) return wait_for_reader();
  }
  if (!stopped_) {
    asio::post(reader_event_.get_executor(), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->read();
    });
  }
}

void StreamFeed::take(const Frame& frame) {
  auto copy = std::make_shared<EncodedFrame>();
  copy->bytes.assign(frame.bytes.begin(), frame.bytes.end());
  // What leaves the process cannot be called back, so it is checked after copying and before
  // sending. A revoked frame is a gap: newcomers and viewers go on at the next key frame.
  if (!reader_.lease_valid(frame)) {
    gop_.clear();
    gap_ = true;
    return;
  }
  if (gap_ && !frame.key()) return;
  gap_ = false;
  last_timestamp_us_ = std::max(last_timestamp_us_ + 1, timestamp_us(frame));
  copy->generation = frame.generation;
  copy->number = frame.number;
  copy->timestamp_us = last_timestamp_us_;
  copy->published_ns = frame.published_ns;
  copy->codec = frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
  copy->key = frame.key();

  if (frame.meta.width != state_.width || frame.meta.height != state_.height) {
    state_.width = frame.meta.width;
    state_.height = frame.meta.height;
    for (Viewer* viewer : watchers_) viewer->on_state(state_);
  }
  const SharedFrame shared = std::move(copy);
  gop_.add(shared);
  for (Viewer* viewer : viewers_) viewer->on_frame(shared);
}

void StreamFeed::tell_state() {
  FeedState now = state_;
  now.link = reader_.link();
  now.source = reader_.state();
  if (const std::uint32_t codec = reader_.codec(); codec != 0) now.codec = codec;
  now.refusal = reader_.refusal();
  if (now == state_) return;
  state_ = std::move(now);
  for (Viewer* viewer : viewers_) viewer->on_state(state_);
  for (Viewer* viewer : watchers_) viewer->on_state(state_);
}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    reset();
    feed_ = std::move(other.feed_);
    viewer_ = other.viewer_;
  }
  return *this;
}

void Subscription::reset() {
  if (feed_ != nullptr) std::exchange(feed_, nullptr)->unsubscribe(*viewer_);
}

}  // namespace framering::websocket
