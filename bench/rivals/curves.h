// SPDX-License-Identifier: Apache-2.0
//
// How cost and latency grow with readers, with the size of a frame, and with the history.
#pragma once

#include <string>
#include <vector>

#include "match.h"

namespace framering::bench {

struct CurvePoint {
  double x = 0;
  MatchResults results;
};

struct Curve {
  std::string name;  // "readers"
  std::string unit;  // of x
  std::string what;  // what is the same for all points
  std::vector<CurvePoint> points;
};

[[nodiscard]] std::vector<Curve> measure_curves(const std::string& build_dir, bool quick);

}  // namespace framering::bench
