// SPDX-License-Identifier: Apache-2.0
//
// All lanes side by side on the same frames: their processes, the rounds, and the figures.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "company.h"
#include "quantiles.h"
#include "rival.h"

namespace framering::bench {

struct Match {
  std::uint32_t bytes = 0;
  std::uint32_t fps = 0;
  std::uint32_t readers = 0;
  std::uint32_t frames = 0;  // of each lane in each round
  std::uint32_t rounds = 0;
  std::chrono::milliseconds unpaced{0};  // for each lane in each unpaced round; 0: none
  std::uint32_t unpaced_rounds = 0;
  std::uint64_t history_bytes = 4u << 20;  // or five frames, if that is more
};
[[nodiscard]] std::string text_of(const Match& match);
[[nodiscard]] Terms terms_of(const Match& match);

struct LaneResults {
  const RivalInfo* info = nullptr;
  std::string absent;   // why it did not take part, or not to the end
  bool failed = false;  // it is here and did not start; or it is ours
  std::vector<RunResult> paced;
  std::vector<RunResult> unpaced;
};

struct MatchResults {
  Match match;
  std::vector<LaneResults> lanes;
  // Null when it is not there.
  [[nodiscard]] const LaneResults* lane(const std::string& key) const;
};

// Which lanes; empty: all of them.
[[nodiscard]] MatchResults play(const Match& match, const std::vector<std::string>& keys,
                                const std::string& build_dir);

}  // namespace framering::bench
