// SPDX-License-Identifier: Apache-2.0
//
// Access units of one stream -> fragmented MP4 (ISO 14496-12), one fragment for each frame, for the
// SourceBuffers of browsers. Muxed by libavformat, once for all viewers.
//
// Media time. A fragment says when its frame is to be shown. A SourceBuffer that finds the next
// frame later than twice the duration of the former drops everything until the next key frame
// ("coded frame processing" of Media Source Extensions), and a live stream never knows how long its
// newest frame will last. So a frame lasts as long as the longest of late, and the pauses that are
// longer than twice that are left out of media time.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "encoded_frame.h"

namespace framering::websocket {

// How media time goes on. Separate, so that it can be tested.
class MediaClock {
 public:
  static constexpr std::uint64_t kMinDuration_us = 1'000, kMaxDuration_us = 100'000;

  // The media time of the frame captured at `timestamp_us`.
  [[nodiscard]] std::uint64_t tick(std::uint64_t timestamp_us) noexcept;
  // How long that frame lasts, as far as one can tell.
  [[nodiscard]] std::uint64_t duration_us() const noexcept { return duration_us_; }

 private:
  std::uint64_t last_us_ = 0;  // 0: no frame yet
  std::uint64_t media_us_ = 0;
  std::uint64_t duration_us_ = 33'333;
};

class Fragmenter {
 public:
  Fragmenter();
  ~Fragmenter();
  Fragmenter(const Fragmenter&) = delete;
  Fragmenter& operator=(const Fragmenter&) = delete;

  // The frame as a fragment; null: it cannot be one (no parameter sets yet, or not decodable), and
  // neither can what follows until the next key frame.
  [[nodiscard]] SharedFrame fragment(const EncodedFrame& frame);

 private:
  class Muxer;

  [[nodiscard]] bool follow_parameter_sets(const EncodedFrame& frame);

  std::unique_ptr<Muxer> muxer_;  // null: waiting for a key frame
  std::shared_ptr<const InitSegment> init_;
  std::vector<std::byte> parameter_sets_;
  MediaClock clock_;
};

// Replaces the decode time of a fragment; false: it has none. For tests as well.
[[nodiscard]] bool set_decode_time(std::span<std::byte> fragment, std::uint64_t time) noexcept;

}  // namespace framering::websocket
