// SPDX-License-Identifier: Apache-2.0
#include "segment.h"

#include <cmath>
#include <stdexcept>
#include <utility>

#include "wall_clock.h"

namespace framering::recorder {
namespace {

// The muxer ends a fragment when the first frame beyond it comes. When none comes, we do.
constexpr std::uint64_t kLongestHold_ns = (Muxer::kFragment_ms + 100) * std::uint64_t{1'000'000};

Summary begin(const Format& format, std::uint64_t began_ns, std::int64_t trigger_ms) {
  Summary summary;
  summary.container = format.container;
  summary.codec = format.codec;
  summary.width = format.width;
  summary.height = format.height;
  summary.generation = format.generation;
  summary.began_ms = wall_clock_ms(began_ns);
  summary.trigger_ms = trigger_ms;
  return summary;
}

}  // namespace

Segment::Segment(Storage& storage, Format format, const std::string& title, std::uint64_t began_ns,
                 std::int64_t trigger_ms)
    : storage_(storage),
      format_(std::move(format)),
      began_ns_(began_ns),
      summary_(begin(format_, began_ns, trigger_ms)),
      timeline_(format_.time_base_num, format_.time_base_den),
      muxer_({.container = format_.container,
              .codec = format_.codec,
              .width = format_.width,
              .height = format_.height,
              .parameter_sets = format_.parameter_sets,
              .scale = timeline_.scale(),
              .began_ms = summary_.began_ms,
              .title = title}) {}

void Segment::add(const Frame& frame, std::uint64_t captured_ns, std::uint64_t now_ns) {
  const std::uint64_t before = summary_.last_frame;
  muxer_.write(frame.bytes, timeline_.next(frame.meta, captured_ns), frame.key());
  if (summary_.frames++ == 0) {
    summary_.first_frame = frame.number;
    storage_.begin(format_.container, summary_.began_ms, frame.number - 1);
  }
  summary_.last_frame = frame.number;
  summary_.seconds = timeline_.seconds();
  if (held_since_ns_ == 0) held_since_ns_ = now_ns;
  const std::uint64_t bytes_before = bytes_;
  hand_over(before);
  // Bytes come out when a fragment is complete: at most this frame is held back then.
  if (bytes_ != bytes_before) held_since_ns_ = now_ns;
}

void Segment::add_gap(std::uint64_t frames, std::uint64_t before) {
  summary_.frames_lost += frames;
  if (summary_.gaps.size() < Summary::kMaxGaps) {
    summary_.gaps.push_back({frames, before, summary_.seconds});
  }
}

void Segment::flush() {
  muxer_.flush();
  held_since_ns_ = 0;
  hand_over(summary_.last_frame);
}

void Segment::end(bool whole) {
  try {
    if (whole && summary_.frames != 0) {
      flush();
      muxer_.finish();
      hand_over(summary_.last_frame);
    }
  } catch (const std::runtime_error&) {
    // Then it ends without its trailer, as after a crash: it plays all the same.
  }
  if (summary_.frames != 0) storage_.end(std::move(summary_));
}

std::uint64_t Segment::flush_due_ns() const noexcept {
  return held_since_ns_ == 0 ? 0 : held_since_ns_ + kLongestHold_ns;
}

void Segment::hand_over(std::uint64_t through) {
  std::vector<std::byte> bytes = muxer_.take();
  if (bytes.empty()) return;
  bytes_ += bytes.size();
  storage_.write(std::move(bytes), through);
}

}  // namespace framering::recorder
