// SPDX-License-Identifier: Apache-2.0
//
// What this project wants to be, held against what was measured.
#pragma once

#include <string>
#include <vector>

#include "match.h"

namespace framering::bench {

struct Goal {
  std::string what;
  double limit = 0;
  bool at_least = false;  // else: at most
  double value = 0;
  Ratio spread;       // of two equal lanes in the same rounds
  bool even = false;  // "at least even": met as well when closer than two equal lanes are
  [[nodiscard]] bool met() const {
    if (at_least) return value >= limit;
    return value <= limit || (even && value <= spread.most);
  }
  [[nodiscard]] const char* verdict() const {
    if (!met()) return "missed";
    return at_least || value <= limit ? "met" : "even, within A/A";
  }
};

// Lanes that are not there have no goals.
[[nodiscard]] std::vector<Goal> goals_of(const MatchResults& results);

// The lane of ours that such a lane is held against.
[[nodiscard]] std::string our_lane_for(const RivalInfo& info);

}  // namespace framering::bench
