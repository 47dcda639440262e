// SPDX-License-Identifier: Apache-2.0
//
// Which frames one viewer of the direct protocol gets, and when.
//
//   offer ──► queue ──next──► socket ──► in flight ──acknowledge──► gone        with a window
//   offer ──► queue ──next──► socket ──► gone                                   without
//
// A viewer that does not keep up loses its queue and goes on at the next key frame, so what it
// shows is never older than the queue is long. A newcomer is the exception: it starts in the middle
// of a group of pictures and first gets all of it, as fast as it takes it (catching up). Catching
// up ends when the queue is empty or the next key frame comes, whichever is first; meanwhile the
// queue refers to frames that GopStart holds too, so it costs pointers and not bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>

#include "encoded_frame.h"

namespace framering::websocket {

class FlowWindow {
 public:
  static constexpr std::uint32_t kMaxWindow = 8;                        // frames
  static constexpr std::size_t kMaxQueuedFrames = 8;                    // without a window
  static constexpr std::size_t kMaxQueuedBytes = std::size_t{2} << 20;  // without a window

  // `window`: frames queued and in flight at most, clamped to kMaxWindow; 0: no acknowledgements.
  explicit FlowWindow(std::uint32_t window) noexcept;

  // A newcomer's start: a key frame and its followers (GopStart::frames), or nothing.
  void begin(std::span<const SharedFrame> gop);
  // A new frame of the stream.
  void offer(const SharedFrame& frame);
  // The next frame to write, which then counts as in flight; null: none, or the window is full.
  [[nodiscard]] SharedFrame next();

  // The viewer has dealt with everything up to this time stamp: so many bytes.
  std::size_t acknowledge(std::uint64_t timestamp_us) noexcept;
  // The viewer lost its place: nothing until the next key frame.
  void resync() noexcept;
  // The viewer wants nothing for a while; what waited was not dropped. begin() goes on.
  void pause() noexcept;

  [[nodiscard]] std::uint64_t sent() const noexcept { return sent_; }
  [[nodiscard]] std::uint64_t dropped() const noexcept { return dropped_; }
  [[nodiscard]] std::size_t queued() const noexcept { return queue_.size(); }
  [[nodiscard]] std::size_t queued_bytes() const noexcept { return queued_bytes_; }
  [[nodiscard]] std::size_t in_flight() const noexcept { return in_flight_.size(); }
  // How far a viewer that cannot keep up is behind: what waits, and what it has lost since it fell
  // behind. 0 for a newcomer, whose first group of pictures says nothing about its line.
  [[nodiscard]] std::size_t behind() const noexcept {
    return catching_up_ ? 0 : queue_.size() + lost_in_a_row_;
  }

 private:
  struct InFlight {
    std::uint64_t timestamp_us;
    std::size_t bytes;
  };

  [[nodiscard]] bool full() const noexcept;
  void end_catching_up_when_even() noexcept;
  void push(const SharedFrame& frame);
  void drop_queue() noexcept;

  const std::uint32_t window_;  // 0: none
  std::deque<SharedFrame> queue_;
  std::size_t queued_bytes_ = 0;
  std::deque<InFlight> in_flight_;  // time stamps ascending; at most window_
  std::size_t lost_in_a_row_ = 0;   // since the window was full, until the next key frame
  bool waiting_for_key_ = true;
  bool catching_up_ = false;
  std::uint64_t sent_ = 0;
  std::uint64_t dropped_ = 0;
};

}  // namespace framering::websocket
