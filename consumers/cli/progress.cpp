// SPDX-License-Identifier: Apache-2.0
#include "progress.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "ring/clock.h"

namespace framering::cli {

namespace {

constexpr std::uint64_t kPatience_ns = 1'000'000'000;
constexpr std::uint64_t kInterval_ns = 100'000'000;
constexpr std::size_t kWidth = 40;

}  // namespace

Progress::Progress(std::string what, std::uint64_t total)
    : what_(std::move(what)),
      total_(std::max(total, std::uint64_t{1})),
      began_ns_(monotonic_ns()),
      terminal_(::isatty(STDERR_FILENO) != 0) {}

Progress::~Progress() {
  if (shown_ns_ != 0) std::fputs("\r\x1b[K", stderr);
}

void Progress::at(std::uint64_t done) {
  const std::uint64_t now_ns = monotonic_ns();
  if (!terminal_ || now_ns - began_ns_ < kPatience_ns || now_ns - shown_ns_ < kInterval_ns) return;
  shown_ns_ = now_ns;
  const std::uint64_t reached = std::min(done, total_);
  const std::size_t filled = kWidth * reached / total_;
  std::fprintf(stderr, "\r%s [%s%s] %3u %%\x1b[K", what_.c_str(), std::string(filled, '#').c_str(),
               std::string(kWidth - filled, '.').c_str(),
               static_cast<unsigned>(100 * reached / total_));
  std::fflush(stderr);
}

}  // namespace framering::cli
