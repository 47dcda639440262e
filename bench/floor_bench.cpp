// SPDX-License-Identifier: Apache-2.0
//
// How close the ring comes to what the machine can do: publishing and latency between processes,
// beside the bare copies and wake-ups, all in one interleaved run.
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "memory.h"
#include "report.h"

namespace framering::bench {
namespace {

constexpr char kHelp[] =
    R"(floor-bench holds the ring against raw copies, futexes and eventfds.

Usage: floor-bench [options]

  --quick            fewer and shorter rounds (20 s) that show it works; figures are rough
  --rounds N         1..100, default 10 (--quick: 2)
  --only TEXT        scenarios whose name contains this, such as '100000 B' or 'N = 1'
  --json FILE        the figures once more, for programs
  --build-dir DIR    where broker/framering-broker and producer/framering-producer are;
                     default: the build that this program is part of
  --strict           exit code 1 when a target is missed
  --help
)";

struct Options {
  bool quick = false;
  bool strict = false;
  std::uint32_t rounds = 0;
  std::string only;
  std::string json;
  std::string build_dir;
};

Options parse(int argc, char** argv) {
  Options options;
  options.build_dir =
      std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().string();
  const option known[] = {
      {"quick", no_argument, nullptr, 'q'},        {"strict", no_argument, nullptr, 's'},
      {"rounds", required_argument, nullptr, 'r'}, {"only", required_argument, nullptr, 'o'},
      {"json", required_argument, nullptr, 'j'},   {"build-dir", required_argument, nullptr, 'b'},
      {"help", no_argument, nullptr, 'h'},         {nullptr, 0, nullptr, 0}};
  for (int found = 0; (found = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (found) {
      case 'q':
        options.quick = true;
        break;
      case 's':
        options.strict = true;
        break;
      case 'r': {
        char* end = nullptr;
        const unsigned long rounds = std::strtoul(optarg, &end, 10);
        if (*end != '\0' || rounds < 1 || rounds > 100) {
          throw std::invalid_argument(std::string("--rounds ") + optarg + ": 1..100 is expected");
        }
        options.rounds = static_cast<std::uint32_t>(rounds);
        break;
      }
      case 'o':
        options.only = optarg;
        break;
      case 'j':
        options.json = optarg;
        break;
      case 'b':
        options.build_dir = optarg;
        break;
      case 'h':
        std::fputs(kHelp, stdout);
        std::exit(0);
      default:
        throw std::invalid_argument("see --help");
    }
  }
  if (optind != argc) throw std::invalid_argument(std::string(argv[optind]) + ": see --help");
  if (options.rounds == 0) options.rounds = options.quick ? 2 : 10;
  return options;
}

std::vector<Scenario> scenarios(const Options& options) {
  constexpr std::uint32_t picture = 3'110'400;  // 1920 x 1080, I420
  std::vector<Scenario> all;
  if (options.quick) {
    all = {{64, 250, 1, 28}, {100'000, 250, 1, 28}, {100'000, 250, 4, 28}, {picture, 60, 1, 18}};
  } else {
    for (const std::uint32_t readers : {1u, 4u, 8u}) all.push_back({64, 250, readers, 112});
    for (const std::uint32_t readers : {1u, 4u, 8u}) all.push_back({100'000, 250, readers, 112});
    for (const std::uint32_t readers : {1u, 4u, 8u}) all.push_back({picture, 60, readers, 36});
  }
  std::erase_if(all, [&](const Scenario& scenario) {
    return text_of(scenario).find(options.only) == std::string::npos;
  });
  if (all.empty()) throw std::invalid_argument("--only " + options.only + ": no such scenario");
  return all;
}

ScenarioFigures measure(const Scenario& scenario, std::uint32_t rounds,
                        const std::string& socket_dir, const std::string& prefix) {
  ScenarioFigures figures(scenario);
  Field field(scenario, socket_dir, prefix);
  std::vector<Lane> order;
  for (const LaneFacts& facts : kLanes) {
    if (facts.lane != Lane::small_lease || scenario.bytes > 64) order.push_back(facts.lane);
  }
  std::mt19937 random(1);  // another order in each round, the same ones in each run
  for (std::uint32_t round = 0; round < rounds; ++round) {
    std::shuffle(order.begin(), order.end(), random);
    for (const Lane lane : order) figures.add(lane, field.run(lane));
  }
  figures.finish();
  return figures;
}

int run(const Options& options) {
  const Machine machine = this_machine();
  print_machine(machine, options.rounds);
  std::vector<ScenarioFigures> measured;
  std::vector<Target> targets;
  {
    const SocketDir sockets;
    const Child broker = start_broker(options.build_dir, sockets.path());
    for (const Scenario& scenario : scenarios(options)) {
      const std::string prefix = "floor" + std::to_string(measured.size());
      measured.push_back(measure(scenario, options.rounds, sockets.path(), prefix));
      print_scenario(measured.back());
      std::ranges::move(targets_of(measured.back()), std::back_inserter(targets));
    }
  }
  std::vector<MemoryFigures> memory;
  for (const std::uint32_t readers : {1u, 64u}) {
    memory.push_back(measure_memory(options.build_dir, readers));
  }
  print_memory(memory);
  std::ranges::move(memory_targets(memory), std::back_inserter(targets));
  print_targets(targets);
  if (!options.json.empty()) {
    write_json(options.json, machine, options.rounds, measured, memory, targets);
  }
  return options.strict && !std::ranges::all_of(targets, &Target::met) ? 1 : 0;
}

}  // namespace
}  // namespace framering::bench

int main(int argc, char** argv) {
  try {
    return framering::bench::run(framering::bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "floor-bench: %s\n", error.what());
    return 2;
  }
}
