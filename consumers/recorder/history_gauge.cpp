// SPDX-License-Identifier: Apache-2.0
#include "history_gauge.h"

#include <bit>
#include <cmath>
#include <cstdio>

#include "ring_layout.h"

namespace framering::recorder {
namespace {

constexpr double kEnough_s = 2;
constexpr double kLongest_s = 10;  // a stream without a second key frame by then has none to come
// A frame that does not fit before the arena's end leaves that end unused.
constexpr double kUsable = 0.95;

}  // namespace

void HistoryGauge::saw(std::size_t bytes, bool key, std::uint64_t captured_ns) noexcept {
  if (frames_ == 0) first_ns_ = last_ns_ = last_key_ns_ = captured_ns;
  ++frames_;
  bytes_ += (bytes + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  last_ns_ = std::max(last_ns_, captured_ns);
  longest_group_ns_ = std::max(longest_group_ns_, last_ns_ - last_key_ns_);
  if (!key) return;
  ++keys_;
  last_key_ns_ = last_ns_;
}

bool HistoryGauge::ready() const noexcept {
  return span_s() >= kLongest_s || (span_s() >= kEnough_s && keys_ >= 2);
}

std::string HistoryGauge::objection(double pre_s, std::uint64_t history_bytes,
                                    std::uint32_t history_frames, const std::string& stream) const {
  if (frames_ < 2 || span_s() <= 0) return {};
  const double bytes_per_s = static_cast<double>(bytes_) / span_s();
  const double frames_per_s = static_cast<double>(frames_) / span_s();
  const double group_s = static_cast<double>(longest_group_ns_) / 1e9;
  const double by_bytes_s = kUsable * static_cast<double>(history_bytes) / bytes_per_s;
  const double by_frames_s = static_cast<double>(history_frames) / frames_per_s;
  const double holds_s = std::min(by_bytes_s, by_frames_s);
  const double needed_s = pre_s + group_s;
  if (holds_s >= needed_s) return {};

  std::string options;
  if (by_bytes_s < needed_s) {
    const double mebibytes = std::ceil(needed_s * bytes_per_s / kUsable / (1 << 20) * 1.1);
    options = "--history " + std::to_string(static_cast<std::uint64_t>(mebibytes)) + "M";
  }
  if (by_frames_s < needed_s) {
    const auto slots = std::bit_ceil(static_cast<std::uint64_t>(needed_s * frames_per_s * 1.1));
    options +=
        (options.empty() ? "--history as it is and --slots " : " --slots ") + std::to_string(slots);
  }
  char text[384];
  std::snprintf(text, sizeof text,
                "--pre-seconds %g: the ring of %s holds %.1f s of what is sent now, and a clip "
                "begins at a key frame, up to %.1f s earlier; start its producer with %s, or ask "
                "for %d seconds or less",
                pre_s, stream.c_str(), holds_s, group_s, options.c_str(),
                std::max(0, static_cast<int>(holds_s - group_s)));
  return text;
}

}  // namespace framering::recorder
