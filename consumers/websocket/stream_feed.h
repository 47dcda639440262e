// SPDX-License-Identifier: Apache-2.0
//
// One stream, read once and handed to all of its viewers.
//
//   ring ──lease, one copy──► EncodedFrame ──► GopStart (for newcomers)
//                                   ├───────► every Viewer::on_frame, sharing the same bytes
//                                   └─Fragmenter─► the same again, for viewers of fragmented MP4
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "backlog.h"
#include "control/stream_reader.h"
#include "encoded_frame.h"
#include "fragmenter.h"
#include "gop_start.h"

namespace framering::websocket {

// What a viewer can be told about its stream besides frames.
struct FeedState {
  Link link = Link::no_broker;
  SourceState source = SourceState::starting;
  std::uint32_t codec = 0;              // kCodec...; 0 = not known yet
  std::uint32_t width = 0, height = 0;  // pixels; 0 = not known yet
  std::string refusal;                  // the broker's sentence; empty: none. Final for this feed.

  bool operator==(const FeedState&) const = default;
};

// Called from within StreamFeed: must return soon, and must not subscribe or unsubscribe.
class Viewer {
 public:
  virtual ~Viewer() = default;
  virtual void on_frame(const SharedFrame& frame) = 0;
  virtual void on_state(const FeedState& state) = 0;
  // This process ends.
  virtual void on_end() {}
  // What has waited for this viewer since it was last asked.
  [[nodiscard]] virtual ViewerLoad load() { return {}; }
};

enum class Wish : std::uint8_t {
  frames,      // and the state
  fragments,   // frames as fragmented MP4, and the state
  state_only,  // asks the encoder for nothing
};

class Subscription;

// One thread: the event loop's.
class StreamFeed : public std::enable_shared_from_this<StreamFeed> {
 public:
  // Throws as StreamReader does: std::invalid_argument on a bad name. `unused` is called
  // from the event loop when the last viewer has been gone for a while.
  StreamFeed(boost::asio::io_context& io, const std::string& socket_dir, const std::string& stream,
             BacklogPolicy policy, std::function<void(const StreamFeed&)> unused);
  ~StreamFeed();

  void start();
  void say_goodbye();
  // Lets go of the ring; nothing is called any more. For the end of the process.
  void stop();

  [[nodiscard]] Subscription subscribe(Viewer& viewer, Wish wish);
  // Where a newcomer begins; valid until the event loop goes on.
  [[nodiscard]] std::span<const SharedFrame> newcomer_start(Wish wish) const noexcept {
    return (wish == Wish::fragments ? fragments_ : frames_).start.frames();
  }
  // Any viewer's wish; the producer merges them.
  void request_key_frame() noexcept { reader_.request_key_frame(); }
  // What the producer was last told of the viewers.
  [[nodiscard]] const ViewerLoad& reported() const noexcept { return reported_; }
  [[nodiscard]] const FeedState& state() const noexcept { return state_; }
  [[nodiscard]] const std::string& stream() const noexcept { return stream_; }

 private:
  friend class Subscription;
  // Frames in one form, and who gets them.
  struct Outlet {
    std::vector<Viewer*> viewers;
    GopStart start;

    void hand_out(const SharedFrame& frame);
  };

  void unsubscribe(Viewer& viewer, Wish wish);
  [[nodiscard]] std::vector<Viewer*>& viewers_of(Wish wish) noexcept;
  [[nodiscard]] bool watched() const noexcept {
    return !frames_.viewers.empty() || !fragments_.viewers.empty();
  }
  void want_frames();
  void begin_fragments();
  void hand_out_fragment(const EncodedFrame& frame);
  void report_backlog_later();
  void rest_when_unused();
  void wait_for_reader();
  void read();
  void take(const Frame& frame);  // and releases it
  void tell_state();

  const std::string stream_;
  const std::function<void(const StreamFeed&)> unused_;
  StreamReader reader_;
  boost::asio::posix::stream_descriptor reader_event_;  // reader_'s own descriptor, borrowed
  boost::asio::steady_timer linger_;
  boost::asio::steady_timer backlog_timer_;
  const BacklogPolicy policy_;
  Outlet frames_;
  Outlet fragments_;
  std::unique_ptr<Fragmenter> fragmenter_;  // while somebody wants fragments
  std::vector<Viewer*> watchers_;           // those who want the state only
  FeedState state_;
  ViewerLoad reported_;
  std::uint64_t last_timestamp_us_ = 0;
  bool demand_ = false;   // while false, frames that others asked for pass unread
  bool gap_ = false;      // a frame was lost here: nothing until the next key frame
  bool waiting_ = false;  // for reader_event_
  bool reporting_ = false;
  bool stopped_ = false;
};

// A viewer's place in a feed; leaves it when destroyed.
class Subscription {
 public:
  Subscription() = default;
  Subscription(std::shared_ptr<StreamFeed> feed, Viewer& viewer, Wish wish)
      : feed_(std::move(feed)), viewer_(&viewer), wish_(wish) {}
  Subscription(Subscription&& other) noexcept
      : feed_(std::move(other.feed_)), viewer_(other.viewer_), wish_(other.wish_) {}
  Subscription& operator=(Subscription&& other) noexcept;
  ~Subscription() { reset(); }

  void reset();
  explicit operator bool() const noexcept { return feed_ != nullptr; }
  [[nodiscard]] const StreamFeed* operator->() const noexcept { return feed_.get(); }
  void request_key_frame() const noexcept { feed_->request_key_frame(); }

 private:
  std::shared_ptr<StreamFeed> feed_;
  Viewer* viewer_ = nullptr;
  Wish wish_ = Wish::state_only;
};

}  // namespace framering::websocket
