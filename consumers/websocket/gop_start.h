// SPDX-License-Identifier: Apache-2.0
//
// What a newcomer needs to see a picture at once: the newest key frame and all that followed it.
//
// The feed's reader is past that key frame already. Reading it again from the ring would take a
// second reader for each newcomer: an attach through the broker (which may be away), a page, a
// place in the reader table, and a join of two cursors. Keeping references to frames that are in
// memory for the other viewers anyway costs at most kMaxBytes a stream, and the join has neither
// gap nor repetition, because both halves come from the one reader.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "encoded_frame.h"

namespace framering::websocket {

class GopStart {
 public:
  // Twice the ring's default history: what does not fit here is seldom in the ring either.
  static constexpr std::size_t kMaxBytes = std::size_t{8} << 20;
  static constexpr std::size_t kMaxFrames = 1024;

  // Frames come in order. A key frame starts over; a gap or an overflow leaves nothing until the
  // next key frame, since half a group of pictures is of no use to anybody.
  void add(const SharedFrame& frame);
  void clear();

  // A key frame and its followers up to the newest frame; empty when there is no such start.
  [[nodiscard]] std::span<const SharedFrame> frames() const noexcept { return frames_; }

 private:
  std::vector<SharedFrame> frames_;
  std::size_t bytes_ = 0;
};

}  // namespace framering::websocket
