// SPDX-License-Identifier: Apache-2.0
//
// From the samples of a scenario to what is reported: quantiles, ratios to the floor of the same
// round, and how far two equal lanes are apart.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "field.h"
#include "lanes.h"
#include "quantiles.h"

namespace framering::bench {

struct LaneFigures {
  bool measured = false;
  Quantiles publish;  // p50: median of the rounds' medians; the rest over all rounds
  Quantiles latency;
  Ratio publish_ratio;  // p50 to p50 of its floor in the same round
  Ratio latency_ratio;
  std::uint64_t lost = 0;
};

class ScenarioFigures {
 public:
  explicit ScenarioFigures(const Scenario& measured) : scenario(measured) {}

  void add(Lane lane, RunFigures run) { runs_[index_of(lane)].push_back(std::move(run)); }
  // After the last round.
  void finish();

  [[nodiscard]] const LaneFigures& of(Lane lane) const { return lanes_[index_of(lane)]; }
  // Ratio of the quantile `q` of two lanes, round by round.
  [[nodiscard]] Ratio publish_ratio(Lane lane, Lane floor, double q = 0.5) const;
  [[nodiscard]] Ratio latency_ratio(Lane lane, Lane floor, double q = 0.5) const;

  const Scenario scenario;

 private:
  std::array<std::vector<RunFigures>, kLaneCount> runs_;
  std::array<LaneFigures, kLaneCount> lanes_;
};

// What issue and README promise, held against the figures.
struct Target {
  std::string what;
  double limit = 0;
  double value = 0;
  std::string unit;    // "x", "us" or "MiB"
  std::string spread;  // of two equal lanes in the same rounds, or empty
  double noise = 0;    // a value up to this is met as well: two equal lanes were as far apart
  [[nodiscard]] bool met() const { return value <= limit || value <= noise; }
};
[[nodiscard]] std::vector<Target> targets_of(const ScenarioFigures& figures);
[[nodiscard]] std::string text_of(const Scenario& scenario);

}  // namespace framering::bench
