// SPDX-License-Identifier: Apache-2.0
#include "report.h"

#include <cerrno>
#include <cstdio>
#include <memory>
#include <system_error>

#include "quoted.h"

namespace framering::bench {
namespace {

struct Closer {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

std::string trimmed(const char* name) {
  const std::string text = name;
  return text.substr(text.find_first_not_of(' '));
}

void write_quantiles(std::FILE* file, const char* name, const Quantiles& quantiles) {
  std::fprintf(file, "\"%s\": {\"p50\": %.3f, \"p99\": %.3f, \"p99.9\": %.3f, \"worst\": %.3f}",
               name, quantiles.p50, quantiles.p99, quantiles.p999, quantiles.worst);
}

void write_ratio(std::FILE* file, const char* name, const Ratio& ratio) {
  std::fprintf(file, "\"%s\": {\"median\": %.4f, \"least\": %.4f, \"most\": %.4f}", name,
               ratio.median, ratio.least, ratio.most);
}

void write_lane(std::FILE* file, const LaneFacts& facts, const LaneFigures& figures) {
  std::fprintf(file, "{\"lane\": %s, \"lost\": %llu, ", quoted(trimmed(facts.name)).c_str(),
               static_cast<unsigned long long>(figures.lost));
  write_quantiles(file, "publish_us", figures.publish);
  std::fputs(", ", file);
  write_ratio(file, "publish_ratio", figures.publish_ratio);
  if (facts.reads) {
    std::fputs(", ", file);
    write_quantiles(file, "latency_us", figures.latency);
    std::fputs(", ", file);
    write_ratio(file, "latency_ratio", figures.latency_ratio);
  }
  std::fputs("}", file);
}

void write_scenario(std::FILE* file, const ScenarioFigures& figures) {
  const Scenario& scenario = figures.scenario;
  std::fprintf(file, "    {\"bytes\": %u, \"fps\": %u, \"readers\": %u, \"lanes\": [\n",
               scenario.bytes, scenario.fps, scenario.readers);
  const char* separator = "";
  for (const LaneFacts& facts : kLanes) {
    if (!figures.of(facts.lane).measured) continue;
    std::fprintf(file, "%s      ", separator);
    write_lane(file, facts, figures.of(facts.lane));
    separator = ",\n";
  }
  std::fputs("\n    ]}", file);
}

}  // namespace

void print_machine(const Machine& machine, std::uint32_t rounds) {
  std::printf("floor-bench: %s, %u cores, Linux %s, load %.2f at the start\n", machine.cpu.c_str(),
              machine.cores, machine.kernel.c_str(), machine.load);
  std::printf(
      "%u interleaved rounds. Microseconds. p50 is the median of the rounds' medians, x the median "
      "of its\nratios to the floor in the same round, with their range. Latency: from the start of "
      "publishing\nuntil the reader has the frame. Floors: raw copy, futex and eventfd with the "
      "same number of readers.\n",
      rounds);
}

void print_scenario(const ScenarioFigures& figures) {
  std::printf("\n%s\n", text_of(figures.scenario).c_str());
  std::printf("%-22s │ %8s %8s %8s %8s %5s %-11s │ %8s %8s %8s %8s %5s %-11s │ %s\n", "", "publish",
              "p99", "p99.9", "worst", "x", "", "latency", "p99", "p99.9", "worst", "x", "",
              "lost");
  for (const LaneFacts& facts : kLanes) {
    const LaneFigures& lane = figures.of(facts.lane);
    if (!lane.measured) continue;
    const auto print = [](const Quantiles& q, const Ratio& r) {
      char range[32];
      std::snprintf(range, sizeof range, "%.2f..%.2f", r.least, r.most);
      std::printf(" │ %8.2f %8.2f %8.2f %8.1f %5.2f %-11s", q.p50, q.p99, q.p999, q.worst, r.median,
                  range);
    };
    std::printf("%-22s", facts.name);
    print(lane.publish, lane.publish_ratio);
    if (facts.reads) {
      print(lane.latency, lane.latency_ratio);
      std::printf(" │ %llu\n", static_cast<unsigned long long>(lane.lost));
    } else {
      std::printf(" │\n");
    }
  }
  std::fflush(stdout);
}

void print_memory(const std::vector<MemoryFigures>& memory) {
  if (memory.empty()) return;
  std::printf("\nPrivate memory (RssAnon)\n%8s %12s %12s\n", "readers", "broker", "producer");
  for (const MemoryFigures& figures : memory) {
    std::printf("%8u %8llu KiB %8llu KiB\n", figures.readers,
                static_cast<unsigned long long>(figures.broker_kib),
                static_cast<unsigned long long>(figures.producer_kib));
  }
}

std::vector<Target> memory_targets(const std::vector<MemoryFigures>& memory) {
  std::vector<Target> targets;
  for (const MemoryFigures& figures : memory) {
    const std::string with = ", " + std::to_string(figures.readers) + " readers";
    targets.push_back({"private memory of the broker" + with, 2.0,
                       static_cast<double>(figures.broker_kib) / 1024, "MiB", "", 0});
    targets.push_back({"private memory of the producer" + with, 3.0,
                       static_cast<double>(figures.producer_kib) / 1024, "MiB", "", 0});
  }
  return targets;
}

void print_targets(const std::vector<Target>& targets) {
  std::printf("\n%-74s %8s %8s %-6s %-13s\n", "Target", "at most", "is", "", "A/A spread");
  for (const Target& target : targets) {
    std::printf("%-74s %8.2f %8.2f %-6s %-13s %s\n", target.what.c_str(), target.limit,
                target.value, target.unit.c_str(), target.spread.c_str(),
                target.met() ? "met" : "NOT MET");
  }
}

void write_json(const std::string& path, const Machine& machine, std::uint32_t rounds,
                const std::vector<ScenarioFigures>& scenarios,
                const std::vector<MemoryFigures>& memory, const std::vector<Target>& targets) {
  const std::unique_ptr<std::FILE, Closer> owned(std::fopen(path.c_str(), "w"));
  std::FILE* const file = owned.get();
  if (file == nullptr) throw std::system_error(errno, std::generic_category(), path);
  std::fprintf(file,
               "{\n  \"machine\": {\"cpu\": %s, \"kernel\": %s, \"cores\": %u, \"load\": %.2f},\n"
               "  \"rounds\": %u,\n  \"scenarios\": [\n",
               quoted(machine.cpu).c_str(), quoted(machine.kernel).c_str(), machine.cores,
               machine.load, rounds);
  for (const ScenarioFigures& scenario : scenarios) {
    write_scenario(file, scenario);
    std::fputs(&scenario == &scenarios.back() ? "\n" : ",\n", file);
  }
  std::fputs("  ],\n  \"memory_kib\": [", file);
  for (const MemoryFigures& figures : memory) {
    std::fprintf(file, "%s{\"readers\": %u, \"broker\": %llu, \"producer\": %llu}",
                 &figures == &memory.front() ? "" : ", ", figures.readers,
                 static_cast<unsigned long long>(figures.broker_kib),
                 static_cast<unsigned long long>(figures.producer_kib));
  }
  std::fputs("],\n  \"targets\": [\n", file);
  for (const Target& target : targets) {
    std::fprintf(file,
                 "    {\"target\": %s, \"limit\": %.3f, \"value\": %.3f, \"unit\": %s, "
                 "\"spread\": %s, \"met\": %s}%s\n",
                 quoted(target.what).c_str(), target.limit, target.value,
                 quoted(target.unit).c_str(), quoted(target.spread).c_str(),
                 target.met() ? "true" : "false", &target == &targets.back() ? "" : ",");
  }
  std::fputs("  ]\n}\n", file);
  if (std::ferror(file) != 0 || std::fflush(file) != 0) {
    throw std::system_error(errno, std::generic_category(), path);
  }
}

}  // namespace framering::bench
