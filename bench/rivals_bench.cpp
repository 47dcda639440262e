// SPDX-License-Identifier: Apache-2.0
//
// The ring beside what a user would take instead: the same frames, the same processes, the same
// clock. See README.md in this folder for how each of them is used.
#include <getopt.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "rivals/tables.h"

namespace framering::bench {
namespace {

constexpr char kHelp[] =
    R"(rivals-bench holds the ring against other ways to bring frames to other processes.

Usage: rivals-bench [options]

  --quick            a minute that shows it works; figures are rough
  --only TEXT        scenarios whose name contains this, such as '100000 B' or 'N = 1';
                     neither curves nor isolation
  --part PART        head-to-head, curves or isolation alone; may be repeated
  --lanes A,B,...    these lanes only; floor and copy are what the others are held against
  --list             the lanes, their versions and settings
  --json FILE        the figures once more, for programs and bench/plot.py
  --markdown FILE    tables as README has them
  --build-dir DIR    where broker/framering-broker is; default: the build of this program
  --strict           exit code 1 when a target is missed
  --help

Exit code 1 as well when a lane that is installed does not start, or when one of ours fails.
)";

struct Options {
  bool quick = false;
  bool strict = false;
  std::string only;
  std::vector<std::string> parts;
  std::vector<std::string> lanes;
  std::string json;
  std::string markdown;
  std::string build_dir;
  [[nodiscard]] bool wants(const char* part) const {
    if (parts.empty()) return only.empty() || std::string(part) == "head-to-head";
    return std::ranges::find(parts, part) != parts.end();
  }
};

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

std::string known_part(const std::string& part) {
  if (part == "head-to-head" || part == "curves" || part == "isolation") return part;
  throw std::invalid_argument("--part " + part + ": head-to-head, curves or isolation is expected");
}

Options parse(int argc, char** argv) {
  Options options;
  options.build_dir =
      std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path().string();
  const option known[] = {{"quick", no_argument, nullptr, 'q'},
                          {"strict", no_argument, nullptr, 's'},
                          {"only", required_argument, nullptr, 'o'},
                          {"part", required_argument, nullptr, 'p'},
                          {"lanes", required_argument, nullptr, 'l'},
                          {"list", no_argument, nullptr, 'L'},
                          {"json", required_argument, nullptr, 'j'},
                          {"markdown", required_argument, nullptr, 'm'},
                          {"build-dir", required_argument, nullptr, 'b'},
                          {"help", no_argument, nullptr, 'h'},
                          {nullptr, 0, nullptr, 0}};
  for (int found = 0; (found = ::getopt_long(argc, argv, "", known, nullptr)) != -1;) {
    switch (found) {
      case 'q':
        options.quick = true;
        break;
      case 's':
        options.strict = true;
        break;
      case 'o':
        options.only = optarg;
        break;
      case 'p':
        options.parts.push_back(known_part(optarg));
        break;
      case 'l':
        options.lanes = split(optarg);
        for (const std::string& lane : options.lanes) (void)rival_of(lane);
        break;
      case 'L':
        print_settings();
        std::exit(0);
      case 'j':
        options.json = optarg;
        break;
      case 'm':
        options.markdown = optarg;
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
  return options;
}

std::vector<Match> matches(const Options& options) {
  using std::chrono::milliseconds;
  constexpr std::uint32_t encoded = 100'000;
  constexpr std::uint32_t picture = 3'110'400;  // 1920 x 1080, I420
  std::vector<Match> all;
  if (options.quick) {
    all = {{encoded, 250, 1, 28, 2, milliseconds(60), 1},
           {encoded, 250, 4, 28, 2, milliseconds(60), 1},
           {picture, 60, 1, 14, 2, milliseconds(80), 1}};
  } else {
    for (const std::uint32_t readers : {1u, 4u, 8u}) {
      all.push_back({encoded, 250, readers, 108, 7, milliseconds(250), 4});
    }
    for (const std::uint32_t readers : {1u, 4u, 8u}) {
      all.push_back({picture, 60, readers, 38, 6, milliseconds(350), 4});
    }
  }
  std::erase_if(all, [&](const Match& match) {
    return text_of(match).find(options.only) == std::string::npos;
  });
  if (all.empty()) throw std::invalid_argument("--only " + options.only + ": no such scenario");
  return all;
}

bool something_failed(const Report& report) {
  for (const MatchResults& results : report.matches) {
    if (std::ranges::any_of(results.lanes, &LaneResults::failed)) return true;
  }
  return false;
}

int run(const Options& options) {
  Report report;
  report.machine = this_machine();
  print_rivals_machine(report.machine);
  print_settings();
  if (options.wants("head-to-head")) {
    for (const Match& match : matches(options)) {
      report.matches.push_back(play(match, options.lanes, options.build_dir));
      print_match(report.matches.back());
      std::ranges::move(goals_of(report.matches.back()), std::back_inserter(report.goals));
    }
  }
  if (options.wants("curves")) {
    report.curves = measure_curves(options.build_dir, options.quick);
    for (const Curve& curve : report.curves) print_curve(curve);
  }
  if (options.wants("isolation")) {
    report.isolation = measure_isolation(options.build_dir, options.quick);
    print_isolation(report.isolation);
  }
  print_goals(report.goals);
  if (!options.json.empty()) write_rivals_json(options.json, report);
  if (!options.markdown.empty()) write_markdown(options.markdown, report);
  const bool missed = !std::ranges::all_of(report.goals, &Goal::met);
  return something_failed(report) || (options.strict && missed) ? 1 : 0;
}

}  // namespace
}  // namespace framering::bench

int main(int argc, char** argv) {
  try {
    return framering::bench::run(framering::bench::parse(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "rivals-bench: %s\n", error.what());
    return 2;
  }
}
