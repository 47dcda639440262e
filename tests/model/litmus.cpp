// SPDX-License-Identifier: Apache-2.0
#include "litmus.h"

#include <array>
#include <cstdio>
#include <functional>
#include <initializer_list>
#include <vector>

#include "explorer.h"
#include "shared_word.h"
#include "word.h"
#include "world.h"

namespace framering::model {
namespace {

constexpr auto kRelaxed = std::memory_order_relaxed;

struct Words {
  SharedU64 x{0};
  SharedU64 y{0};
  std::array<std::uint64_t, 4> seen{};  // what the threads loaded
  int running = 0;
};

struct Litmus {
  const char* name;
  std::vector<std::function<void(Words&)>> threads;
  std::function<bool(const std::array<std::uint64_t, 4>&)> odd;  // the outcome in question
  bool allowed;
};

std::vector<Litmus> all_litmus() {
  const auto set_x = [](Words& w) { w.x.store(1, kRelaxed); };
  const auto set_y = [](Words& w) { w.y.store(1, kRelaxed); };
  // Store buffering: each stores its own word, then loads the other's.
  const auto buffering = [](bool first, bool fenced) {
    return [=](Words& w) {
      (first ? w.x : w.y).store(1, kRelaxed);
      if (fenced) fence_seq_cst();
      w.seen[first ? 0 : 1] = (first ? w.y : w.x).load(kRelaxed);
    };
  };
  const auto both_zero = [](const auto& seen) { return seen[0] == 0 && seen[1] == 0; };
  // Message passing: x is the message, y says that it is there.
  const auto pass = [](std::memory_order flag, bool fenced) {
    return [=](Words& w) {
      w.x.store(1, kRelaxed);
      if (fenced) fence_release();
      w.y.store(1, flag);
    };
  };
  const auto receive = [](std::memory_order flag, bool fenced, int at) {
    return [=](Words& w) {
      w.seen[at] = w.y.load(flag);
      if (fenced) fence_acquire();
      w.seen[at + 1] = w.x.load(kRelaxed);
    };
  };
  const auto missed = [](const auto& seen) { return seen[0] == 1 && seen[1] == 0; };
  // Two readers that see two independent stores in opposite orders.
  const auto look = [](bool x_first, bool fenced) {
    return [=](Words& w) {
      const int at = x_first ? 0 : 2;
      w.seen[at] = (x_first ? w.x : w.y).load(std::memory_order_acquire);
      if (fenced) fence_seq_cst();
      w.seen[at + 1] = (x_first ? w.y : w.x).load(std::memory_order_acquire);
    };
  };
  const auto opposite = [](const auto& seen) {
    return seen[0] == 1 && seen[1] == 0 && seen[2] == 1 && seen[3] == 0;
  };
  const auto again = [](Words& w) {
    w.seen[0] = w.x.load(kRelaxed);
    w.seen[1] = w.x.load(kRelaxed);
  };
  const auto release = std::memory_order_release;
  const auto acquire = std::memory_order_acquire;
  return {
      {"store buffering", {buffering(true, false), buffering(false, false)}, both_zero, true},
      {"store buffering, fenced",
       {buffering(true, true), buffering(false, true)},
       both_zero,
       false},
      {"store buffering, half fenced",
       {buffering(true, true), buffering(false, false)},
       both_zero,
       true},
      {"message passing", {pass(kRelaxed, false), receive(kRelaxed, false, 0)}, missed, true},
      {"message passing, release",
       {pass(release, false), receive(kRelaxed, false, 0)},
       missed,
       true},
      {"message passing, acquire",
       {pass(kRelaxed, false), receive(acquire, false, 0)},
       missed,
       true},
      {"message passing, both", {pass(release, false), receive(acquire, false, 0)}, missed, false},
      {"message passing, fences",
       {pass(kRelaxed, true), receive(kRelaxed, true, 0)},
       missed,
       false},
      {"message passing, release fence",
       {pass(kRelaxed, true), receive(acquire, false, 0)},
       missed,
       false},
      {"opposite orders", {set_x, set_y, look(true, false), look(false, false)}, opposite, true},
      {"opposite orders, fenced",
       {set_x, set_y, look(true, true), look(false, true)},
       opposite,
       false},
      {"one word, backwards", {set_x, again}, missed, false},
  };
}

}  // namespace

int check_litmus() {
  int wrong = 0;
  for (const Litmus& litmus : all_litmus()) {
    bool happened = false;
    const auto set_up = [&] {
      World& world = World::get();
      world.begin_setup();
      Words& words = *new Words;
      world.ends_matter = true;
      world.track(&words.x, 8, "x");
      world.track(&words.y, 8, "y");
      words.running = static_cast<int>(litmus.threads.size());
      for (const auto& body : litmus.threads) {
        world.add_thread("litmus", false, [&] {
          body(words);
          if (--words.running == 0 && litmus.odd(words.seen)) happened = true;
        });
      }
      world.end_setup();
    };
    const Outcome outcome = explore(set_up, Limits{}, true);
    const bool right = outcome.complete && happened == litmus.allowed;
    if (!right) {
      std::printf("litmus '%s': the outcome %s\n", litmus.name,
                  litmus.allowed ? "is allowed, but never came" : "is forbidden, but came");
      ++wrong;
    }
  }
  std::printf("%zu litmus programs, %d wrong\n", all_litmus().size(), wrong);
  return wrong;
}

}  // namespace framering::model
