// SPDX-License-Identifier: Apache-2.0
#include "stream_feed.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "ring/clock.h"

namespace framering::websocket {

namespace {

namespace asio = boost::asio;

// A page that is loaded again leaves and comes back: the encoder need not notice.
constexpr std::chrono::milliseconds kLinger{1000};
// How often the producer hears of what waits for viewers.
constexpr std::chrono::milliseconds kBacklogInterval{1000};
// Then the sockets get their turn.
constexpr int kFramesPerTurn = 32;

ReaderOptions reader_options(const std::string& socket_dir, const std::string& stream) {
  ReaderOptions options;
  options.stream = stream;
  options.socket_dir = socket_dir;
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
                       const std::string& stream, BacklogPolicy policy,
                       std::function<void(const StreamFeed&)> unused)
    : stream_(stream),
      unused_(std::move(unused)),
      reader_(reader_options(socket_dir, stream)),
      reader_event_(io, reader_.event_fd()),
      linger_(io),
      backlog_timer_(io),
      policy_(policy) {}

StreamFeed::~StreamFeed() {
  stop();
}

void StreamFeed::start() {
  rest_when_unused();
  read();
}

void StreamFeed::say_goodbye() {
  for (const auto* viewers : {&frames_.viewers, &fragments_.viewers, &watchers_}) {
    for (Viewer* viewer : *viewers) viewer->on_end();
  }
}

void StreamFeed::stop() {
  if (std::exchange(stopped_, true)) return;
  linger_.cancel();
  backlog_timer_.cancel();
  reader_event_.release();  // the reader closes it
}

Subscription StreamFeed::subscribe(Viewer& viewer, Wish wish) {
  if (wish == Wish::fragments) begin_fragments();
  viewers_of(wish).push_back(&viewer);
  if (wish != Wish::state_only) want_frames();
  return {shared_from_this(), viewer, wish};
}

std::vector<Viewer*>& StreamFeed::viewers_of(Wish wish) noexcept {
  if (wish == Wish::state_only) return watchers_;
  return (wish == Wish::fragments ? fragments_ : frames_).viewers;
}

void StreamFeed::want_frames() {
  linger_.cancel();
  if (!reporting_) report_backlog_later();
  if (!std::exchange(demand_, true)) {
    reader_.set_demand(true);
    // What was published while nobody looked here is in the ring, if others looked.
    static_cast<void>(reader_.jump_to_newest_key());
    asio::post(reader_event_.get_executor(), [self = shared_from_this()] { self->read(); });
  } else if (last_timestamp_us_ != 0 && frames_.start.frames().empty()) {
    reader_.request_key_frame();  // this group of pictures is too large to keep
  }
}

void StreamFeed::unsubscribe(Viewer& viewer, Wish wish) {
  std::erase(viewers_of(wish), &viewer);
  if (fragments_.viewers.empty()) {
    fragmenter_.reset();
    fragments_.start.clear();
  }
  if (!watched() && !stopped_) rest_when_unused();
}

// The first who wants fragments gets those of the newest group of pictures as well.
void StreamFeed::begin_fragments() {
  if (fragmenter_ != nullptr) return;
  fragmenter_ = std::make_unique<Fragmenter>();
  for (const SharedFrame& frame : frames_.start.frames()) {
    if (const SharedFrame fragment = fragmenter_->fragment(*frame)) fragments_.start.add(fragment);
  }
}

// Tells the producer every second, for as long as somebody watches.
void StreamFeed::report_backlog_later() {
  reporting_ = true;
  backlog_timer_.expires_after(kBacklogInterval);
  backlog_timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    std::vector<ViewerLoad> loads;
    for (const Outlet* outlet : {&self->frames_, &self->fragments_}) {
      for (Viewer* viewer : outlet->viewers) loads.push_back(viewer->load());
    }
    self->reported_ = load_that_counts(std::move(loads), self->policy_);
    const ViewerLoad& load = self->reported_;
    self->reader_.report_backlog(load.frames, load.bytes, load.kbps);
    self->reporting_ = false;
    if (self->watched()) self->report_backlog_later();
  });
}

void StreamFeed::rest_when_unused() {
  linger_.expires_after(kLinger);
  linger_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_ || self->watched()) return;
    self->demand_ = false;
    self->reader_.set_demand(false);
    self->frames_.start.clear();
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
      if (demand_)
        take(frame);
      else
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
  // Whoever begins here needs the parameter sets, which not every source repeats.
  const bool inter_coded = frame.meta.parameter_set != 0;
  if (frame.key() && inter_coded && (frame.meta.flags & kFrameHasParameters) == 0)
    copy->bytes = reader_.parameter_set(frame.meta.parameter_set);
  copy->bytes.insert(copy->bytes.end(), frame.bytes.begin(), frame.bytes.end());
  // What leaves the process cannot be called back, so it is checked after copying and before
  // sending. A revoked frame is a gap: newcomers and viewers go on at the next key frame.
  const bool valid = reader_.lease_valid(frame);
  reader_.release(frame);  // the writer need not step over it while the viewers are served
  if (!valid) {
    frames_.start.clear();
    fragments_.start.clear();
    gap_ = true;
    return;
  }
  if (gap_ && !frame.key()) return;
  gap_ = false;
  last_timestamp_us_ = std::max(last_timestamp_us_ + 1, timestamp_us(frame));
  copy->generation = frame.generation;
  copy->number = frame.number;
  copy->timestamp_us = last_timestamp_us_;
  copy->encoded_ns = frame.meta.encoded_ns;
  copy->published_ns = frame.published_ns;
  copy->read_ns = monotonic_ns();
  copy->codec = frame.meta.codec != 0 ? frame.meta.codec : reader_.codec();
  copy->width = frame.meta.width;
  copy->height = frame.meta.height;
  copy->key = frame.key();

  if (frame.meta.width != state_.width || frame.meta.height != state_.height) {
    state_.width = frame.meta.width;
    state_.height = frame.meta.height;
    for (Viewer* viewer : watchers_) viewer->on_state(state_);
  }
  const SharedFrame shared = std::move(copy);
  frames_.hand_out(shared);
  if (fragmenter_ != nullptr) hand_out_fragment(*shared);
}

void StreamFeed::hand_out_fragment(const EncodedFrame& frame) {
  if (const SharedFrame fragment = fragmenter_->fragment(frame))
    fragments_.hand_out(fragment);
  else
    fragments_.start.clear();
}

void StreamFeed::Outlet::hand_out(const SharedFrame& frame) {
  start.add(frame);
  for (Viewer* viewer : viewers) viewer->on_frame(frame);
}

void StreamFeed::tell_state() {
  FeedState now = state_;
  now.link = reader_.link();
  now.source = reader_.state();
  if (const std::uint32_t codec = reader_.codec(); codec != 0) now.codec = codec;
  now.refusal = reader_.refusal();
  if (now == state_) return;
  state_ = std::move(now);
  for (const auto* viewers : {&frames_.viewers, &fragments_.viewers, &watchers_}) {
    for (Viewer* viewer : *viewers) viewer->on_state(state_);
  }
}

Subscription& Subscription::operator=(Subscription&& other) noexcept {
  if (this != &other) {
    reset();
    feed_ = std::move(other.feed_);
    viewer_ = other.viewer_;
    wish_ = other.wish_;
  }
  return *this;
}

void Subscription::reset() {
  if (feed_ != nullptr) std::exchange(feed_, nullptr)->unsubscribe(*viewer_, wish_);
}

}  // namespace framering::websocket
