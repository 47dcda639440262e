// SPDX-License-Identifier: Apache-2.0
//
// Explores the worlds with the code as it is, then each mutant. Fails on any fault of the former,
// and on any mutant that nobody catches (or that is caught though it is said to be equivalent).
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "explorer.h"
#include "litmus.h"
#include "mutants.h"
#include "worlds.h"

namespace {

using namespace framering::model;

struct Options {
  bool long_form = false;
  bool narrate = false;  // also of mutants: the way to the fault, step by step
  std::string world;     // empty: all
  std::string mutant;    // begins with; empty: all
  Limits limits;
};

const SmallWorld& find(const std::string& name) {
  for (const SmallWorld& world : worlds()) {
    if (name == world.name) return world;
  }
  std::fprintf(stderr, "model: there is no world '%s'; --list shows them\n", name.c_str());
  std::exit(2);
}

Outcome explore_timed(const SmallWorld& world, const Options& options, bool narrate) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point begin = Clock::now();
  Outcome outcome = explore(world.set_up, options.limits, narrate);
  const std::chrono::duration<double> took = Clock::now() - begin;
  std::printf("  %-17s %9lu states %10lu steps %8lu ends, longest %3zu, %5.1f s: %s\n", world.name,
              outcome.states, outcome.steps, outcome.ends, outcome.longest, took.count(),
              !outcome.violation.empty() ? outcome.violation.c_str()
              : outcome.complete         ? "complete"
                                         : "NOT COMPLETE (--states)");
  std::fflush(stdout);
  return outcome;
}

int explore_worlds(const Options& options) {
  int faults = 0;
  for (const SmallWorld& world : worlds()) {
    if (!options.world.empty() ? options.world != world.name
                               : world.long_only && !options.long_form) {
      continue;
    }
    const Outcome outcome = explore_timed(world, options, true);
    if (!outcome.violation.empty() || (!outcome.complete && !world.long_only)) ++faults;
  }
  return faults;
}

int explore_mutants(const Options& options) {
  int faults = 0, caught_count = 0, equivalent_count = 0;
  for (const Mutant& mutant : mutants()) {
    if (!std::string(mutant.name).starts_with(options.mutant)) continue;
    std::printf("%s\n", mutant.name);
    apply(mutant.alterations);
    bool caught = false;
    for (const char* const world : mutant.worlds) {
      caught = !explore_timed(find(world), options, options.narrate).violation.empty();
      if (caught) break;
    }
    apply({});
    if (mutant.equivalent != nullptr) {
      std::printf("  %s: %s\n", caught ? "CAUGHT, BUT LISTED AS EQUIVALENT" : "equivalent",
                  mutant.equivalent);
    } else if (!caught) {
      std::printf("  SURVIVED\n");
    }
    ++(mutant.equivalent != nullptr ? equivalent_count : caught_count);
    if (caught == (mutant.equivalent != nullptr)) ++faults;
  }
  std::printf("%d mutants to be caught, %d equivalent ones; %d not as they should be\n",
              caught_count, equivalent_count, faults);
  return faults;
}

void list() {
  for (const SmallWorld& world : worlds()) {
    std::printf("%-17s %s%s\n", world.name, world.says, world.long_only ? " (--long)" : "");
  }
  for (const Mutant& mutant : mutants()) std::printf("%s\n", mutant.name);
}

[[noreturn]] void usage(const std::string& wrong) {
  std::fprintf(stderr,
               "model: '%s' is not understood\n"
               "model [--long] [--states MILLIONS] [--world NAME] [--mutant NAME] [--trace] "
               "[--list]\n",
               wrong.c_str());
  std::exit(2);
}

Options parse(int count, char** arguments) {
  Options options;
  for (int i = 1; i < count; ++i) {
    const std::string argument = arguments[i];
    const bool has_value = i + 1 < count;
    if (argument == "--long") {
      options.long_form = true;
      options.limits.states = 20'000'000;
    } else if (argument == "--trace") {
      options.narrate = true;
    } else if (argument == "--list") {
      list();
      std::exit(0);
    } else if (argument == "--world" && has_value) {
      options.world = arguments[++i];
      (void)find(options.world);
    } else if (argument == "--mutant" && has_value) {
      options.mutant = arguments[++i];
    } else if (argument == "--states" && has_value) {
      char* end = nullptr;
      const unsigned long millions = std::strtoul(arguments[++i], &end, 10);
      if (*end != '\0' || millions == 0 || millions > 10'000) usage(argument + " " + arguments[i]);
      options.limits.states = millions * 1'000'000;
    } else {
      usage(argument);
    }
  }
  return options;
}

}  // namespace

int main(int count, char** arguments) try {
  const Options options = parse(count, arguments);
  int faults = 0;
  if (options.mutant.empty() && options.world.empty()) faults += check_litmus();
  if (options.mutant.empty()) faults += explore_worlds(options);
  if (options.world.empty()) faults += explore_mutants(options);
  std::printf("%s\n", faults == 0 ? "ok" : "FAILED");
  return faults == 0 ? 0 : 1;
} catch (const std::exception& error) {
  std::fprintf(stderr, "model: %s\n", error.what());
  return 2;
}
