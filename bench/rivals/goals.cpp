// SPDX-License-Identifier: Apache-2.0
#include "goals.h"

#include <optional>

namespace framering::bench {
namespace {

constexpr std::uint32_t kEncoded = 100'000;  // bytes
constexpr std::uint32_t kPicture = 3'110'400;

using Samples = std::vector<std::uint32_t> RunResult::*;

class Goals {
 public:
  explicit Goals(const MatchResults& results) : results_(results) {}

  // `ours` is to be at most `limit` times `theirs`.
  void at_most(const std::string& what, double limit, const std::string& ours,
               const std::string& theirs, Samples samples, bool even = false) {
    const LaneResults* const us = results_.lane(ours);
    const LaneResults* const them = results_.lane(theirs);
    if (us == nullptr || them == nullptr) return;
    add({what + ", of " + them->info->name, limit, false,
         ratio_of(us->paced, them->paced, samples).median, spread(samples), even});
  }
  void throughput(double limit, const std::string& ours, const std::string& theirs) {
    const LaneResults* const us = results_.lane(ours);
    const LaneResults* const them = results_.lane(theirs);
    if (us == nullptr || them == nullptr || us->unpaced.empty() || them->unpaced.empty()) return;
    add({"unpaced, received, of " + them->info->name, limit, true,
         ratio_of(us->unpaced, them->unpaced, &RunResult::gb_per_s).median, unpaced_spread(),
         false});
  }
  [[nodiscard]] std::vector<Goal> take() { return std::move(goals_); }

 private:
  void add(Goal goal) {
    goal.what = text_of(results_.match) + ": " + goal.what;
    goals_.push_back(std::move(goal));
  }
  [[nodiscard]] Ratio spread(Samples samples) const {
    const LaneResults* const one = results_.lane("floor");
    const LaneResults* const other = results_.lane("floor-again");
    return one == nullptr || other == nullptr ? Ratio{}
                                              : ratio_of(other->paced, one->paced, samples);
  }
  [[nodiscard]] Ratio unpaced_spread() const {
    const LaneResults* const one = results_.lane("floor");
    const LaneResults* const other = results_.lane("floor-again");
    if (one == nullptr || other == nullptr) return {};
    return ratio_of(other->unpaced, one->unpaced, &RunResult::gb_per_s);
  }

  const MatchResults& results_;
  std::vector<Goal> goals_;
};

}  // namespace

std::vector<Goal> goals_of(const MatchResults& results) {
  constexpr Samples publish = &RunResult::publish_ns;
  constexpr Samples latency = &RunResult::latency_ns;
  const std::uint32_t bytes = results.match.bytes;
  const std::uint32_t readers = results.match.readers;
  Goals goals(results);
  if (bytes == kEncoded) {
    goals.at_most("publish", readers == 1 ? 0.9 : 0.6, "copy", "iceoryx", publish);
    if (readers == 4) goals.at_most("publish", 0.25, "copy", "unix-stream", publish);
    goals.at_most("latency", 0.95, "copy", "iceoryx", latency);
    goals.at_most("latency", 1.0 / 3, "copy", "zeromq", latency);
    goals.at_most("latency", 1 / 2.5, "copy", "gstreamer-shm", latency);
    goals.at_most("latency", 1.0 / 8, "copy", "flock-slot", latency);
    goals.throughput(4.0, "copy", "unix-stream");
  }
  if (bytes == kPicture) {
    if (readers == 1) {
      goals.at_most("latency", 0.75, "copy", "floor", latency);
    }
    // Raw pictures are read by the policy `newest`; iceoryx' queue drops the oldest, too.
    goals.throughput(0.8, "newest", "memcpy");
    goals.throughput(1.0, "newest", "iceoryx");
  }
  if (bytes == kEncoded || bytes == kPicture) {
    goals.at_most("in place, publish", 1.0, "in-place", "iceoryx-in-place", publish, true);
    goals.at_most("in place, latency", 1.0, "in-place", "iceoryx-in-place", latency, true);
  }
  return goals.take();
}

std::string our_lane_for(const RivalInfo& info) {
  return info.in_place ? "in-place" : "copy";
}

}  // namespace framering::bench
