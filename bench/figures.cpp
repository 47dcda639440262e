// SPDX-License-Identifier: Apache-2.0
#include "figures.h"

#include <cstdio>

namespace framering::bench {
namespace {

std::string range_of(const Ratio& ratio) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f..%.2f", ratio.least, ratio.most);
  return text;
}

}  // namespace

void ScenarioFigures::finish() {
  for (const LaneFacts& facts : kLanes) {
    const std::vector<RunFigures>& runs = runs_[index_of(facts.lane)];
    LaneFigures& figures = lanes_[index_of(facts.lane)];
    figures.measured = !runs.empty();
    figures.publish = quantiles_of(runs, &RunFigures::publish);
    figures.latency = quantiles_of(runs, &RunFigures::latency);
    figures.publish_ratio = publish_ratio(facts.lane, facts.floor);
    figures.latency_ratio = latency_ratio(facts.lane, facts.wake_floor);
    for (const RunFigures& run : runs) figures.lost += run.lost;
  }
}

Ratio ScenarioFigures::publish_ratio(Lane lane, Lane floor, double q) const {
  return ratio_of(runs_[index_of(lane)], runs_[index_of(floor)], &RunFigures::publish, q);
}

Ratio ScenarioFigures::latency_ratio(Lane lane, Lane floor, double q) const {
  return ratio_of(runs_[index_of(lane)], runs_[index_of(floor)], &RunFigures::latency, q);
}

std::string text_of(const Scenario& scenario) {
  char text[96];
  std::snprintf(text, sizeof text, "%u B at %u fps, N = %u", scenario.bytes, scenario.fps,
                scenario.readers);
  return text;
}

std::vector<Target> targets_of(const ScenarioFigures& figures) {
  const Scenario& scenario = figures.scenario;
  const std::string where = text_of(scenario);
  const std::string publish_spread =
      range_of(figures.publish_ratio(Lane::raw_futex_again, Lane::raw_futex));
  const std::string latency_spread =
      range_of(figures.latency_ratio(Lane::raw_futex_again, Lane::raw_futex));
  std::vector<Target> targets;
  const auto add = [&](std::string what, double limit, double value, const char* unit,
                       const std::string& spread) {
    targets.push_back({where + ": " + std::move(what), limit, value, unit, spread, 0});
  };
  const bool encoded = scenario.bytes == 100'000;
  const bool raw_picture = scenario.bytes > 1'000'000;
  if (encoded) {
    add("publish, of raw copy + futex wakes", 1.15,
        figures.publish_ratio(Lane::futex_copy, Lane::raw_futex).median, "x", publish_spread);
    add("publish, of raw copy + eventfd writes", 1.15,
        figures.publish_ratio(Lane::eventfd_copy, Lane::raw_eventfd).median, "x", publish_spread);
  }
  if (!raw_picture) {  // a picture's copy alone varies by more than what is looked for
    add("publish, nobody asleep, over the copy", 1.0,
        figures.of(Lane::nobody_asleep).publish.p50 - figures.of(Lane::copy_only).publish.p50, "us",
        "");
  }
  add("latency, of raw futex wake + both copies", 1.15,
      figures.latency_ratio(Lane::futex_copy, Lane::raw_futex).median, "x", latency_spread);
  if (raw_picture) {
    add("in place + lease, of the same with 64 bytes", 1.2,
        figures.latency_ratio(Lane::in_place_lease, Lane::small_lease).median, "x", latency_spread);
  }
  if (scenario.readers == 1 && scenario.bytes == 64) {
    // Waking alone: larger frames have their copies in both figures, which no prediction shortens.
    add("predictive, of plain futex", 0.25,
        figures.latency_ratio(Lane::predictive_copy, Lane::futex_copy).median, "x", latency_spread);
    add("predictive, p99, of plain futex", 1.0,
        figures.latency_ratio(Lane::predictive_copy, Lane::futex_copy, 0.99).median, "x",
        range_of(figures.latency_ratio(Lane::raw_futex_again, Lane::raw_futex, 0.99)));
  }
  // These two hold within the spread, too: it is the absence of an effect that is shown.
  add("publish beside a stopped reader, p50", 1.1,
      figures.publish_ratio(Lane::stopped_reader, Lane::futex_copy).median, "x", publish_spread);
  targets.back().noise = figures.publish_ratio(Lane::raw_futex_again, Lane::raw_futex).most;
  add("publish beside a stopped reader, p99", 1.5,
      figures.publish_ratio(Lane::stopped_reader, Lane::futex_copy, 0.99).median, "x",
      range_of(figures.publish_ratio(Lane::raw_futex_again, Lane::raw_futex, 0.99)));
  targets.back().noise = figures.publish_ratio(Lane::raw_futex_again, Lane::raw_futex, 0.99).most;
  add("frames lost by the others, one reader stopped", 0,
      static_cast<double>(figures.of(Lane::stopped_reader).lost), "frames", "");
  return targets;
}

}  // namespace framering::bench
