// SPDX-License-Identifier: Apache-2.0
#include "tables.h"

#include <cstdio>

namespace framering::bench {
namespace {

std::string text_of(const Ratio& ratio) {
  if (ratio.median == 0) return "-";
  char text[64];
  std::snprintf(text, sizeof text, "%.2f %.2f..%.2f", ratio.median, ratio.least, ratio.most);
  return text;
}

// Ours, of this lane; empty for the floors and ourselves.
template <typename Member>
std::string our_share(const MatchResults& results, const LaneResults& lane, bool paced,
                      Member RunResult::*member) {
  if (lane.info->kind != Kind::rival) return "";
  const LaneResults* const us = results.lane(our_lane_for(*lane.info));
  if (us == nullptr) return "";
  return paced ? text_of(ratio_of(us->paced, lane.paced, member))
               : text_of(ratio_of(us->unpaced, lane.unpaced, member));
}

template <typename Member>
std::string of_floor(const MatchResults& results, const LaneResults& lane, const char* floor,
                     bool paced, Member RunResult::*member) {
  const LaneResults* const under = results.lane(floor);
  if (under == nullptr) return "";
  return paced ? text_of(ratio_of(lane.paced, under->paced, member))
               : text_of(ratio_of(lane.unpaced, under->unpaced, member));
}

void print_paced(const MatchResults& results) {
  std::printf("\n%s, paced (microseconds)\n", text_of(results.match).c_str());
  std::printf("%-24s │ %8s %8s %8s %8s %-17s %-17s │ %8s %8s %8s %8s %8s %-17s %-17s │ %8s %s\n",
              "", "publish", "p99", "p99.9", "worst", "of the floor", "ours of it", "latency",
              "p99", "p99.9", "worst", "last one", "of the floor", "ours of it", "CPU", "lost");
  for (const LaneResults& lane : results.lanes) {
    if (lane.paced.empty()) continue;
    const Quantiles publish = quantiles_of(lane.paced, &RunResult::publish_ns);
    std::printf("%-24s │ %8.2f %8.2f %8.2f %8.1f %-17s %-17s", lane.info->name.c_str(), publish.p50,
                publish.p99, publish.p999, publish.worst,
                of_floor(results, lane, "floor", true, &RunResult::publish_ns).c_str(),
                our_share(results, lane, true, &RunResult::publish_ns).c_str());
    const Quantiles latency = quantiles_of(lane.paced, &RunResult::latency_ns);
    const Quantiles last = quantiles_of(lane.paced, &RunResult::last_ns);
    std::uint64_t lost = 0, torn = 0;
    for (const RunResult& run : lane.paced) {
      lost += run.lost;
      torn += run.torn;
    }
    std::printf(" │ %8.2f %8.2f %8.2f %8.1f %8.2f %-17s %-17s │ %8.1f %llu", latency.p50,
                latency.p99, latency.p999, latency.worst, last.p50,
                of_floor(results, lane, "floor", true, &RunResult::latency_ns).c_str(),
                our_share(results, lane, true, &RunResult::latency_ns).c_str(),
                median_of(lane.paced, &RunResult::cpu_us), static_cast<unsigned long long>(lost));
    if (torn != 0) std::printf(", %llu torn", static_cast<unsigned long long>(torn));
    std::printf("\n");
  }
}

void print_unpaced(const MatchResults& results) {
  std::printf("\n%u B, N = %u, unpaced\n%-24s │ %10s %-17s %-17s │ %11s │ %8s\n",
              results.match.bytes, results.match.readers, "", "received", "of memcpy", "ours of it",
              "published", "CPU");
  for (const LaneResults& lane : results.lanes) {
    if (lane.unpaced.empty()) continue;
    std::printf("%-24s │ %5.2f GB/s %-17s %-17s │ %9.0f/s │ %5.0f us\n", lane.info->name.c_str(),
                median_of(lane.unpaced, &RunResult::gb_per_s),
                of_floor(results, lane, "memcpy", false, &RunResult::gb_per_s).c_str(),
                our_share(results, lane, false, &RunResult::gb_per_s).c_str(),
                median_of(lane.unpaced, &RunResult::published_per_s),
                median_of(lane.unpaced, &RunResult::cpu_us));
  }
}

}  // namespace

void print_rivals_machine(const Machine& machine) {
  std::printf("rivals-bench: %s, %u cores, Linux %s, load %.2f at the start\n", machine.cpu.c_str(),
              machine.cores, machine.kernel.c_str(), machine.load);
  std::printf(
      "Interleaved rounds, the order changes from round to round. p50 is the median of the rounds' "
      "medians; a ratio\nis the median of the rounds' ratios, with their range. Latency: from "
      "before "
      "the first instruction of publishing\nuntil the bytes are in the reader's own memory (in "
      "place: until it can look at them). CPU: of all processes, for each frame.\n");
}

void print_settings() {
  std::printf("\nLanes\n");
  for (const RivalInfo& info : all_rivals()) {
    std::printf("  %-24s %s\n", info.name.c_str(),
                info.make != nullptr ? info.settings.c_str()
                                     : ("not here: apt-get install " + info.package).c_str());
  }
}

void print_match(const MatchResults& results) {
  print_paced(results);
  if (results.match.unpaced_rounds != 0) print_unpaced(results);
  for (const LaneResults& lane : results.lanes) {
    if (lane.absent.empty()) continue;
    std::printf("%-24s │ %s: %s\n", lane.info->name.c_str(), lane.failed ? "FAILED" : "out",
                lane.absent.c_str());
  }
  std::fflush(stdout);
}

void print_curve(const Curve& curve) {
  std::printf("\nAgainst %s (%s): p50 of publish and latency, microseconds\n%-24s │",
              curve.name.c_str(), curve.what.c_str(), curve.unit.c_str());
  for (const CurvePoint& point : curve.points) std::printf(" %17.0f", point.x);
  std::printf("\n");
  for (const LaneResults& first : curve.points.front().results.lanes) {
    std::printf("%-24s │", first.info->name.c_str());
    for (const CurvePoint& point : curve.points) {
      const LaneResults* const lane = point.results.lane(first.info->key);
      if (lane == nullptr || lane->paced.empty()) {
        std::printf(" %17s", "-");
        continue;
      }
      std::printf(" %8.1f %8.1f", quantiles_of(lane->paced, &RunResult::publish_ns).p50,
                  quantiles_of(lane->paced, &RunResult::latency_ns).p50);
    }
    std::printf("\n");
  }
  std::fflush(stdout);
}

void print_isolation(const std::vector<IsolationResults>& all) {
  std::printf(
      "\nOne of four readers is harmed; 100,000 B at 250 fps (one frame each 4 ms)\n%-24s │ %-21s "
      "│ "
      "%-28s │ %s\n",
      "", "the fourth reader is", "publisher: longest, late", "the others: lost, longest gap");
  for (const IsolationResults& one : all) {
    std::printf("%-24s │ %-21s │ ", one.info->name.c_str(), text_of(one.harm));
    if (!one.failed.empty()) {
      std::printf("%s\n", one.failed.c_str());
      continue;
    }
    std::printf("%9.2f ms %9.2f ms %-5s │ %5llu of %5llu %9.1f ms\n", one.publish_worst_ms,
                one.publish_late_ms, one.hung ? "HANGS" : "",
                static_cast<unsigned long long>(one.lost), static_cast<unsigned long long>(one.due),
                one.gap_ms);
  }
  std::fflush(stdout);
}

void print_goals(const std::vector<Goal>& goals) {
  std::printf("\n%-82s %-14s %7s  %s\n", "Target", "", "is", "A/A spread");
  for (const Goal& goal : goals) {
    std::printf("target %-75s %s %.2f x %7.2f  %.2f..%.2f  %s (%.2f)\n", goal.what.c_str(),
                goal.at_least ? "at least" : "at most ", goal.limit, goal.value, goal.spread.least,
                goal.spread.most, goal.met() ? goal.verdict() : "MISSED",
                goal.limit == 0 ? 0 : goal.value / goal.limit);
  }
}

}  // namespace framering::bench
