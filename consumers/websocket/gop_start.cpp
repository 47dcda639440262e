// SPDX-License-Identifier: Apache-2.0
#include "gop_start.h"

namespace framering::websocket {

void GopStart::clear() {
  frames_.clear();
  bytes_ = 0;
}

void GopStart::add(const SharedFrame& frame) {
  if (frame->key) {
    clear();
  } else {
    if (frames_.empty()) return;
    const EncodedFrame& last = *frames_.back();
    const bool follows = frame->generation == last.generation && frame->number == last.number + 1;
    const bool fits = frames_.size() < kMaxFrames && bytes_ + frame->bytes.size() <= kMaxBytes;
    if (!follows || !fits) return clear();
  }
  frames_.push_back(frame);
  bytes_ += frame->bytes.size();
}

}  // namespace framering::websocket
