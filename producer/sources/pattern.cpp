// SPDX-License-Identifier: Apache-2.0
#include "sources/pattern.h"

#include <algorithm>

#include "output.h"
#include "pattern_frame.h"
#include "ring/clock.h"

namespace framering {
namespace {

enum : std::size_t { kSize, kFps };

constexpr std::uint64_t kBigFrameBytes = 1u << 20;
// A ring larger than the cache costs a third of the throughput; the arena must hold four at least.
constexpr std::uint64_t kFramesOfBigOnes = 6;
// Later than this, the pace starts anew instead of running after what was missed.
constexpr std::uint64_t kLateness_ns = 1'000'000'000;

constexpr std::uint64_t kUnwantedNap_ns = 10'000'000;

std::uint64_t interval_of(double fps) {
  return fps <= 0 ? 0 : static_cast<std::uint64_t>(1e9 / fps);
}

std::vector<Setting> settings_of(const Options& options, std::uint64_t max_size) {
  const auto fps = static_cast<std::uint64_t>(options.fps.value_or(30));
  return {{"size", Setting::Kind::bytes, "bytes", kPatternHeaderBytes, max_size, options.size},
          {"fps", Setting::Kind::number, "frames/s (0: unpaced)", 0, kMaxPatternFps, fps}};
}

std::uint64_t max_size_of(const Options& options) {
  if (options.max_frame_bytes) return *options.max_frame_bytes;
  if (options.history_bytes) return *options.history_bytes / kMaxFrameDivisor;
  return std::max(options.size, kBigFrameBytes);
}

}  // namespace

PatternSource::PatternSource(const Options& options, StopSignal& stop)
    : stream_(options.stream),
      max_size_(max_size_of(options)),
      gop_(options.gop.value_or(1)),
      on_demand_(options.on_demand),
      stop_(stop),
      board_(settings_of(options, max_size_)),
      size_(options.size),
      interval_ns_(interval_of(options.fps.value_or(30))) {}

std::vector<WriterOptions> PatternSource::streams() {
  WriterOptions stream;
  stream.stream = stream_;
  stream.codec = kCodecPattern;
  stream.inter_coded = gop_ > 1;
  stream.max_frame_bytes = max_size_;
  if (max_size_ > kBigFrameBytes) {
    const std::uint64_t aligned =
        (max_size_ + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
    stream.history_bytes = aligned * kFramesOfBigOnes;
  }
  stream.settings = &board_;
  return {stream};
}

bool PatternSource::request_key_frame(std::size_t /*stream*/) {
  since_key_ = 0;
  return gop_ > 1;
}

void PatternSource::take_settings() {
  size_ = board_.value(kSize);
  interval_ns_ = interval_of(static_cast<double>(board_.value(kFps)));
  due_ns_ = 0;
}

Source::Step PatternSource::step(std::span<Output> outputs) {
  Output& output = outputs.front();
  if (board_.take_change()) take_settings();
  if (interval_ns_ != 0) {
    const std::uint64_t now_ns = monotonic_ns();
    if (due_ns_ == 0 || now_ns > due_ns_ + kLateness_ns) due_ns_ = now_ns;
    if (!stop_.wait_until(due_ns_)) return Step::more;
    due_ns_ += interval_ns_;
  }
  output.set_state(SourceState::live);
  if (on_demand_ && !output.wanted()) {
    if (interval_ns_ == 0) (void)stop_.wait_until(monotonic_ns() + kUnwantedNap_ns);
    return Step::more;
  }
  FrameMeta meta;
  meta.captured_ns = monotonic_ns();
  const std::span<std::byte> frame = output.reserve(size_);
  if (frame.empty()) return Step::more;
  write_pattern(frame, output.next_number());
  meta.encoded_ns = monotonic_ns();
  meta.pts = meta.dts = static_cast<std::int64_t>(meta.captured_ns / 1000);
  meta.codec = kCodecPattern;
  if (since_key_ == 0) meta.flags |= kFrameKey;
  if (++since_key_ >= gop_) since_key_ = 0;
  output.commit(frame.size(), meta);
  return Step::more;
}

}  // namespace framering
