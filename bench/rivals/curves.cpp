// SPDX-License-Identifier: Apache-2.0
#include "curves.h"

namespace framering::bench {
namespace {

constexpr std::uint32_t kBytes = 100'000;
constexpr std::uint32_t kFps = 100;

Match point(std::uint32_t bytes, std::uint32_t readers, bool quick) {
  Match match;
  match.bytes = bytes;
  match.fps = bytes > 1'000'000 ? 60 : kFps;
  match.readers = readers;
  match.frames = quick ? 16 : 40;
  match.rounds = quick ? 1 : 2;
  return match;
}

}  // namespace

std::vector<Curve> measure_curves(const std::string& build_dir, bool quick) {
  std::vector<std::string> against{"memcpy",   "floor",      "copy",
                                   "in-place", "iceoryx",    "iceoryx-in-place",
                                   "zeromq",   "unix-stream"};
  if (quick) against = {"floor", "copy", "iceoryx", "unix-stream"};
  const auto some = [&](std::vector<std::uint32_t> all) {
    return quick ? std::vector<std::uint32_t>{all[0], all[2]} : all;
  };
  std::vector<Curve> curves;
  curves.push_back({"readers", "readers", "100,000 B at 100 fps", {}});
  for (const std::uint32_t readers : some({1, 2, 4, 8, 16, 32, 64})) {
    curves.back().points.push_back(
        {static_cast<double>(readers), play(point(kBytes, readers, quick), against, build_dir)});
  }
  curves.push_back({"size", "bytes", "one reader", {}});
  for (const std::uint32_t bytes : some({1'000, 10'000, 100'000, 1'000'000, 8'000'000})) {
    curves.back().points.push_back(
        {static_cast<double>(bytes), play(point(bytes, 1, quick), against, build_dir)});
  }
  if (quick) return curves;
  curves.push_back({"history", "MiB", "100,000 B at 100 fps, four readers", {}});
  for (const std::uint32_t mib : {1u, 4u, 16u, 64u, 256u}) {
    Match match = point(kBytes, 4, quick);
    match.history_bytes = std::uint64_t{mib} << 20;
    curves.back().points.push_back(
        {static_cast<double>(mib),
         play(match, {"memcpy", "floor", "copy", "in-place"}, build_dir)});
  }
  return curves;
}

}  // namespace framering::bench
