// SPDX-License-Identifier: Apache-2.0
#include "timeline.h"

extern "C" {
#include <libavutil/mathematics.h>
}

#include <algorithm>
#include <climits>

namespace framering {
namespace {

constexpr std::uint32_t kFinestScale = 10'000'000;  // ticks a second that containers take
constexpr int kUsualScale = 1'000'000;
constexpr int kCoarsestScale = 10'000;  // what capture times are rounded to, at least
// Ticks and clock part by more than this: somebody stopped the one or the other. Below it lie the
// reordering of B-frames and the jitter of captures.
constexpr double kTolerance_s = 0.5;
constexpr double kLongestReorder_s = 10;
constexpr std::uint64_t kLongestEncoding_ns = 10'000'000'000;

}  // namespace

Timeline::Timeline(std::uint32_t num, std::uint32_t den) noexcept
    : num_(static_cast<int>(std::clamp<std::uint32_t>(num, 1, INT_MAX))),
      den_(static_cast<int>(std::clamp<std::uint32_t>(den, 1, INT_MAX))),
      scale_(den > kFinestScale ? kUsualScale : den_) {
  while (scale_ < kCoarsestScale) scale_ *= 2;
}

std::int64_t Timeline::from_ticks(std::int64_t to, std::int64_t from) const noexcept {
  // Both are claims: their distance need not fit. av_rescale_q gives INT64_MIN for what does not.
  std::int64_t distance = 0;
  if (__builtin_sub_overflow(to, from, &distance)) return INT64_MIN;
  return av_rescale_q(distance, {num_, den_}, {1, scale_});
}

Timeline::Stamps Timeline::next(const FrameMeta& meta, std::uint64_t captured_ns) noexcept {
  if (!begun_) {
    begun_ = true;
    anchor_dts_ = meta.dts;
    anchor_ns_ = captured_ns;
  } else {
    const auto since_ns = static_cast<std::int64_t>(captured_ns - anchor_ns_);
    const std::int64_t by_clock = anchor_ + av_rescale_q(std::max(since_ns, std::int64_t{0}),
                                                         {1, 1'000'000'000}, {1, scale_});
    const std::int64_t by_ticks = from_ticks(meta.dts, anchor_dts_);
    const double apart = static_cast<double>(anchor_) + static_cast<double>(by_ticks) -
                         static_cast<double>(by_clock);
    if (meta.dts > previous_dts_ && apart < kTolerance_s * scale_ &&
        apart > -kTolerance_s * scale_) {
      last_ = std::max(anchor_ + by_ticks, last_ + 1);
    } else {
      last_ = std::max(by_clock, last_ + 1);
      anchor_ = last_;
      anchor_dts_ = meta.dts;
      anchor_ns_ = captured_ns;
    }
  }
  previous_dts_ = meta.dts;
  const auto longest = static_cast<std::int64_t>(kLongestReorder_s * scale_);
  return {last_ + std::clamp(from_ticks(meta.pts, meta.dts), std::int64_t{0}, longest), last_};
}

std::uint64_t capture_time(const FrameMeta& meta, std::uint64_t published_ns,
                           std::uint64_t now_ns) noexcept {
  const bool believed =
      meta.captured_ns != 0 &&
      (published_ns <= meta.captured_ns || published_ns - meta.captured_ns <= kLongestEncoding_ns);
  const std::uint64_t known = believed ? meta.captured_ns : published_ns;
  return known != 0 ? std::min(known, now_ns) : now_ns;
}

}  // namespace framering
