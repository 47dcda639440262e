// SPDX-License-Identifier: Apache-2.0
#include "flow_window.h"

#include <algorithm>

namespace framering::websocket {

FlowWindow::FlowWindow(std::uint32_t window) noexcept : window_(std::min(window, kMaxWindow)) {}

void FlowWindow::begin(std::span<const SharedFrame> gop) {
  queue_.clear();
  queued_bytes_ = 0;
  lost_in_a_row_ = 0;
  for (const SharedFrame& frame : gop) push(frame);
  waiting_for_key_ = gop.empty();
  catching_up_ = !gop.empty();
}

void FlowWindow::offer(const SharedFrame& frame) {
  if (waiting_for_key_ && !frame->key) {
    ++dropped_;
    if (lost_in_a_row_ != 0) ++lost_in_a_row_;
    return;
  }
  if (catching_up_ && frame->key) {
    drop_queue();
    catching_up_ = false;
  }
  if (!catching_up_ && full()) {
    lost_in_a_row_ += queue_.size() + 1;
    drop_queue();
    // Without its predecessors only a key frame is of use, and only if the window has a place for
    // it.
    waiting_for_key_ = !frame->key || full();
    if (waiting_for_key_) {
      ++dropped_;
      return;
    }
  }
  waiting_for_key_ = false;
  lost_in_a_row_ = 0;
  push(frame);
}

SharedFrame FlowWindow::next() {
  if (queue_.empty() || (window_ != 0 && in_flight_.size() >= window_)) return nullptr;
  SharedFrame frame = std::move(queue_.front());
  queue_.pop_front();
  queued_bytes_ -= frame->bytes.size();
  if (window_ != 0) in_flight_.push_back({frame->timestamp_us, frame->bytes.size()});
  end_catching_up_when_even();
  ++sent_;
  return frame;
}

std::size_t FlowWindow::acknowledge(std::uint64_t timestamp_us) noexcept {
  std::size_t bytes = 0;
  while (!in_flight_.empty() && in_flight_.front().timestamp_us <= timestamp_us) {
    bytes += in_flight_.front().bytes;
    in_flight_.pop_front();
  }
  end_catching_up_when_even();
  return bytes;
}

void FlowWindow::resync() noexcept {
  drop_queue();
  catching_up_ = false;
  waiting_for_key_ = true;
  lost_in_a_row_ = 0;  // it was not its line
}

void FlowWindow::pause() noexcept {
  queue_.clear();
  queued_bytes_ = 0;
  resync();
}

bool FlowWindow::full() const noexcept {
  if (window_ != 0) return queue_.size() + in_flight_.size() >= window_;
  return queue_.size() >= kMaxQueuedFrames || queued_bytes_ >= kMaxQueuedBytes;
}

void FlowWindow::end_catching_up_when_even() noexcept {
  // The last of the burst fills the window: without some room, the next frame would be one too
  // many.
  if (queue_.empty() && in_flight_.size() <= window_ / 2) catching_up_ = false;
}

void FlowWindow::push(const SharedFrame& frame) {
  queue_.push_back(frame);
  queued_bytes_ += frame->bytes.size();
}

void FlowWindow::drop_queue() noexcept {
  dropped_ += queue_.size();
  queue_.clear();
  queued_bytes_ = 0;
}

}  // namespace framering::websocket
