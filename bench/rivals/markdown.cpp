// SPDX-License-Identifier: Apache-2.0
//
// The tables of README: a row for each lane, and what grows with readers in one cell.
#include <algorithm>
#include <cstdio>

#include "tables.h"
#include "text_file.h"

namespace framering::bench {
namespace {

std::string text_of(double value) {
  char text[32];
  std::snprintf(text, sizeof text, value >= 100 ? "%.0f" : value >= 1 ? "%.1f" : "%.2f", value);
  return text;
}

// One value for each match of a size, such as "11.2 · 31.0 · 58.4".
template <typename Value>
std::string cell(const std::vector<const MatchResults*>& matches, const std::string& key,
                 Value value) {
  std::string text;
  for (const MatchResults* match : matches) {
    const LaneResults* const lane = match->lane(key);
    const double number = lane == nullptr ? 0 : value(*lane);
    text += (text.empty() ? "" : " · ") + (number > 0 ? text_of(number) : std::string("-"));
  }
  return text;
}

void write_matches(TextFile& file, const std::vector<const MatchResults*>& matches) {
  const Match& match = matches.front()->match;
  std::string readers;
  for (const MatchResults* one : matches) {
    readers += (readers.empty() ? "" : ", ") + std::to_string(one->match.readers);
  }
  file.print("\n**%u bytes at %u frames a second**, with %s readers\n\n", match.bytes, match.fps,
             readers.c_str());
  file.print(
      "| µs | publish, p50 | p99 | latency, p50 | p99 | last reader, p50 | CPU a frame | unpaced, "
      "GB/s received |\n|---|--:|--:|--:|--:|--:|--:|--:|\n");
  for (const LaneResults& row : matches.front()->lanes) {
    const std::string& key = row.info->key;
    const auto quantiles = [&](std::vector<std::uint32_t> RunResult::*samples, auto pick) {
      return cell(matches, key,
                  [&](const LaneResults& lane) { return pick(quantiles_of(lane.paced, samples)); });
    };
    const auto p50 = [](const Quantiles& q) { return q.p50; };
    const auto p99 = [](const Quantiles& q) { return q.p99; };
    file.print(
        "| %s | %s | %s | %s | %s | %s | %s | %s |\n",
        row.info->name.substr(row.info->name.find_first_not_of(' ')).c_str(),
        quantiles(&RunResult::publish_ns, p50).c_str(),
        quantiles(&RunResult::publish_ns, p99).c_str(),
        quantiles(&RunResult::latency_ns, p50).c_str(),
        quantiles(&RunResult::latency_ns, p99).c_str(), quantiles(&RunResult::last_ns, p50).c_str(),
        cell(matches, key,
             [](const LaneResults& lane) { return median_of(lane.paced, &RunResult::cpu_us); })
            .c_str(),
        // In place nothing is received but where it lies.
        row.info->in_place ? "" : cell(matches, key, [](const LaneResults& lane) {
                                    return median_of(lane.unpaced, &RunResult::gb_per_s);
                                  }).c_str());
  }
}

std::string harm_cell(const IsolationResults& one) {
  if (!one.failed.empty()) return one.failed;
  char text[128];
  if (one.hung) return "publisher and others **hang for ever**";
  std::snprintf(text, sizeof text, "%s ms, %s ms, %.1f %%", text_of(one.publish_worst_ms).c_str(),
                text_of(one.gap_ms).c_str(),
                100.0 * static_cast<double>(one.lost) /
                    static_cast<double>(std::max<std::uint64_t>(one.due, 1)));
  return text;
}

void write_isolation(TextFile& file, const std::vector<IsolationResults>& all) {
  std::vector<Harm> harms;
  std::vector<const RivalInfo*> rows;
  for (const IsolationResults& one : all) {
    if (std::ranges::find(harms, one.harm) == harms.end()) harms.push_back(one.harm);
    if (std::ranges::find(rows, one.info) == rows.end()) rows.push_back(one.info);
  }
  file.print(
      "\n**One of four readers misbehaves**, 100,000 bytes each 4 ms: the longest that publishing "
      "a "
      "frame took, the longest that another reader was without one, what the others lost\n\n| the "
      "fourth reader is: |");
  for (const Harm harm : harms) {
    file.print(" %s |", harm == Harm::none ? "well" : text_of(harm));
  }
  file.print("\n|---|");
  for (std::size_t i = 0; i < harms.size(); ++i) file.print("--:|");
  for (const RivalInfo* row : rows) {
    file.print("\n| %s |", row->name.c_str());
    for (const IsolationResults& one : all) {
      if (one.info == row) file.print(" %s |", harm_cell(one).c_str());
    }
  }
  file.print("\n");
}

}  // namespace

void write_markdown(const std::string& path, const Report& report) {
  TextFile file(path);
  const Machine& machine = report.machine;
  file.print("Measured on %s, %u cores, Linux %s, load %.2f at the start.\n", machine.cpu.c_str(),
             machine.cores, machine.kernel.c_str(), machine.load);
  std::vector<const MatchResults*> of_one_size;
  for (const MatchResults& results : report.matches) {
    of_one_size.push_back(&results);
    const MatchResults* const next = &results == &report.matches.back() ? nullptr : &results + 1;
    if (next != nullptr && next->match.bytes == results.match.bytes) continue;
    write_matches(file, of_one_size);
    of_one_size.clear();
  }
  if (!report.isolation.empty()) write_isolation(file, report.isolation);
  if (!report.goals.empty()) {
    file.print("\n| Target | wanted | is | |\n|---|--:|--:|---|\n");
  }
  for (const Goal& goal : report.goals) {
    file.print("| %s | %s %.2f | %.2f | %s |\n", goal.what.c_str(),
               goal.at_least ? "at least" : "at most", goal.limit, goal.value,
               goal.met() ? goal.verdict() : "**missed**");
  }
  file.close();
}

}  // namespace framering::bench
