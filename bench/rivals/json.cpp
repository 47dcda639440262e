// SPDX-License-Identifier: Apache-2.0
#include "quoted.h"
#include "tables.h"
#include "text_file.h"

namespace framering::bench {
namespace {

void json_quantiles(TextFile& file, const char* name, const Quantiles& q) {
  file.print(", \"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"worst\": %.3f}", name,
             q.p50, q.p99, q.p999, q.worst);
}

void json_ratio(TextFile& file, const std::string& name, const Ratio& ratio) {
  file.print(", %s: {\"median\": %.4f, \"least\": %.4f, \"most\": %.4f}", quoted(name).c_str(),
             ratio.median, ratio.least, ratio.most);
}

// The lane of each rival and floor that this one is held against, and the ratios to it.
void json_ratios(TextFile& file, const MatchResults& results, const LaneResults& lane) {
  for (const LaneResults& other : results.lanes) {
    if (other.info == lane.info || (lane.info->kind != Kind::ours && other.info->key != "floor")) {
      continue;
    }
    const std::string of = "_of_" + other.info->key;
    if (!lane.paced.empty() && !other.paced.empty()) {
      json_ratio(file, "publish" + of, ratio_of(lane.paced, other.paced, &RunResult::publish_ns));
      json_ratio(file, "latency" + of, ratio_of(lane.paced, other.paced, &RunResult::latency_ns));
      json_ratio(file, "cpu" + of, ratio_of(lane.paced, other.paced, &RunResult::cpu_us));
    }
    if (!lane.unpaced.empty() && !other.unpaced.empty()) {
      json_ratio(file, "received" + of,
                 ratio_of(lane.unpaced, other.unpaced, &RunResult::gb_per_s));
    }
  }
}

void json_lane(TextFile& file, const MatchResults& results, const LaneResults& lane) {
  const char* const kind = lane.info->kind == Kind::ours    ? "ours"
                           : lane.info->kind == Kind::floor ? "floor"
                                                            : "rival";
  file.print("{\"lane\": %s, \"name\": %s, \"kind\": \"%s\", \"in_place\": %s",
             quoted(lane.info->key).c_str(), quoted(lane.info->name).c_str(), kind,
             lane.info->in_place ? "true" : "false");
  if (!lane.absent.empty()) {
    file.print(", \"absent\": %s}", quoted(lane.absent).c_str());
    return;
  }
  std::uint64_t lost = 0, torn = 0;
  for (const RunResult& run : lane.paced) {
    lost += run.lost;
    torn += run.torn;
  }
  json_quantiles(file, "publish_us", quantiles_of(lane.paced, &RunResult::publish_ns));
  json_quantiles(file, "latency_us", quantiles_of(lane.paced, &RunResult::latency_ns));
  json_quantiles(file, "last_us", quantiles_of(lane.paced, &RunResult::last_ns));
  file.print(", \"cpu_us\": %.2f, \"lost\": %llu, \"torn\": %llu",
             median_of(lane.paced, &RunResult::cpu_us), static_cast<unsigned long long>(lost),
             static_cast<unsigned long long>(torn));
  if (!lane.unpaced.empty()) {
    file.print(", \"received_gb_per_s\": %.4f, \"published_per_s\": %.1f, \"unpaced_cpu_us\": %.2f",
               median_of(lane.unpaced, &RunResult::gb_per_s),
               median_of(lane.unpaced, &RunResult::published_per_s),
               median_of(lane.unpaced, &RunResult::cpu_us));
  }
  json_ratios(file, results, lane);
  file.print("}");
}

void json_match(TextFile& file, const MatchResults& results) {
  const Match& match = results.match;
  file.print("{\"bytes\": %u, \"fps\": %u, \"readers\": %u, \"rounds\": %u, \"lanes\": [",
             match.bytes, match.fps, match.readers, match.rounds);
  for (const LaneResults& lane : results.lanes) {
    file.print(&lane == &results.lanes.front() ? "\n    " : ",\n    ");
    json_lane(file, results, lane);
  }
  file.print("]}");
}

}  // namespace

void write_rivals_json(const std::string& path, const Report& report) {
  TextFile file(path);
  const Machine& machine = report.machine;
  file.print("{\"machine\": {\"cpu\": %s, \"kernel\": %s, \"cores\": %u, \"load\": %.2f},\n",
             quoted(machine.cpu).c_str(), quoted(machine.kernel).c_str(), machine.cores,
             machine.load);
  file.print("\"settings\": {");
  for (const RivalInfo& info : all_rivals()) {
    file.print("%s\n  %s: %s", &info == &all_rivals().front() ? "" : ",", quoted(info.key).c_str(),
               quoted(info.settings).c_str());
  }
  file.print("},\n\"matches\": [");
  for (const MatchResults& results : report.matches) {
    file.print(&results == &report.matches.front() ? "\n  " : ",\n  ");
    json_match(file, results);
  }
  file.print("],\n\"curves\": [");
  for (const Curve& curve : report.curves) {
    file.print("%s\n  {\"name\": %s, \"unit\": %s, \"what\": %s, \"points\": [",
               &curve == &report.curves.front() ? "" : ",", quoted(curve.name).c_str(),
               quoted(curve.unit).c_str(), quoted(curve.what).c_str());
    for (const CurvePoint& point : curve.points) {
      file.print("%s\n   {\"x\": %.0f, \"match\": ", &point == &curve.points.front() ? "" : ",",
                 point.x);
      json_match(file, point.results);
      file.print("}");
    }
    file.print("]}");
  }
  file.print("],\n\"isolation\": [");
  for (const IsolationResults& one : report.isolation) {
    file.print(
        "%s\n  {\"lane\": %s, \"name\": %s, \"harm\": %s, \"failed\": %s, \"hung\": %s, "
        "\"publish_worst_ms\": %.3f, \"publish_late_ms\": %.3f, \"published\": %llu, "
        "\"lost_by_others\": %llu, \"gap_ms\": %.2f}",
        &one == &report.isolation.front() ? "" : ",", quoted(one.info->key).c_str(),
        quoted(one.info->name).c_str(), quoted(text_of(one.harm)).c_str(),
        quoted(one.failed).c_str(), one.hung ? "true" : "false", one.publish_worst_ms,
        one.publish_late_ms, static_cast<unsigned long long>(one.published),
        static_cast<unsigned long long>(one.lost), one.gap_ms);
  }
  file.print("],\n\"targets\": [");
  for (const Goal& goal : report.goals) {
    file.print(
        "%s\n  {\"target\": %s, \"limit\": %.4f, \"at_least\": %s, \"value\": %.4f, "
        "\"met\": %s}",
        &goal == &report.goals.front() ? "" : ",", quoted(goal.what).c_str(), goal.limit,
        goal.at_least ? "true" : "false", goal.value, goal.met() ? "true" : "false");
  }
  file.print("]}\n");
  file.close();
}

}  // namespace framering::bench
