// SPDX-License-Identifier: Apache-2.0
#include "explorer.h"

#include <algorithm>
#include <cstdio>

#include "world.h"

namespace framering::model {
namespace {

using Choice = std::pair<std::uint8_t, std::uint8_t>;  // thread, which of its choices

// The hashes of the states seen. 64 bits: among ten million states, one in 4e5 searches confuses
// two.
class Seen {
 public:
  // False: it was there.
  bool add(std::uint64_t hash) {
    if (hash == 0) hash = 1;
    if (2 * count_ >= table_.size()) grow();
    std::uint64_t& place = find(hash);
    if (place == hash) return false;
    place = hash;
    ++count_;
    return true;
  }
  [[nodiscard]] std::uint64_t count() const { return count_; }

 private:
  std::uint64_t& find(std::uint64_t hash) {
    std::size_t at = hash & (table_.size() - 1);
    while (table_[at] != 0 && table_[at] != hash) at = (at + 1) & (table_.size() - 1);
    return table_[at];
  }
  void grow() {
    std::vector<std::uint64_t> before(std::max<std::size_t>(table_.size() * 2, 1U << 16));
    before.swap(table_);
    for (const std::uint64_t hash : before) {
      if (hash != 0) find(hash) = hash;
    }
  }
  std::vector<std::uint64_t> table_;
  std::uint64_t count_ = 0;
};

struct Branch {
  std::vector<char> state;
  std::vector<Choice> left;
  std::size_t path = 0;  // steps that led here
};

void list_choices(World& world, std::vector<Choice>& out) {
  out.clear();
  for (int thread = world.threads() - 1; thread >= 0; --thread) {
    for (int choice = world.choices(thread) - 1; choice >= 0; --choice) {
      out.emplace_back(static_cast<std::uint8_t>(thread), static_cast<std::uint8_t>(choice));
    }
  }
}

// Who waits though nobody is left to end it; empty: all have ended.
std::string stuck(const World& world) {
  for (int i = 0; i < world.threads(); ++i) {
    const Thread& thread = world.thread(i);
    if (thread.ended) continue;
    return std::string(thread.name) + (thread.next.kind == Step::Kind::futex_wait
                                           ? ": sleeps, and nobody will ring"
                                           : ": waits for what will not come");
  }
  return {};
}

}  // namespace

Outcome explore(const std::function<void()>& set_up, const Limits& limits, bool narrate) {
  World& world = World::get();
  set_up();
  Outcome outcome;
  if (!world.violation().empty()) {
    outcome.violation = world.violation();
    return outcome;
  }
  std::vector<char> beginning;
  world.save(beginning);

  Seen seen;
  std::vector<Branch> branches;  // the first `depth` are in use; the rest keep their memory
  std::size_t depth = 0;
  std::vector<Choice> path, choices;
  bool go_back = false;
  while (true) {
    if (go_back) {
      while (depth > 0 && branches[depth - 1].left.empty()) --depth;
      if (depth == 0) break;
      Branch& branch = branches[depth - 1];
      world.restore(branch.state);
      path.resize(branch.path);
      choices.assign(1, branch.left.back());
      branch.left.pop_back();
      go_back = false;
    } else {
      list_choices(world, choices);
      if (choices.empty()) {
        ++outcome.ends;
        outcome.longest = std::max(outcome.longest, path.size());
        outcome.violation = stuck(world);
        if (!outcome.violation.empty()) break;
        go_back = true;
        continue;
      }
      if (choices.size() > 1) {
        const std::uint64_t hash = world.hash();
        if (!seen.add(hash)) {
          go_back = true;
          continue;
        }
        // Any order will do; one without a pattern meets a fault sooner.
        std::swap(choices[hash % choices.size()], choices.back());
        if (seen.count() > limits.states) break;
        if (depth == branches.size()) branches.emplace_back();
        Branch& branch = branches[depth++];
        world.save(branch.state);
        branch.path = path.size();
        branch.left.assign(choices.begin(), choices.end() - 1);
      }
    }
    const Choice next = choices.back();
    path.push_back(next);
    world.take(next.first, next.second);
    ++outcome.steps;
    if (!world.violation().empty()) {
      outcome.violation = world.violation();
      break;
    }
  }
  outcome.states = seen.count();
  outcome.complete = outcome.violation.empty() && depth == 0 && go_back;
  if (narrate && !outcome.violation.empty()) {
    world.clear_violation();
    world.restore(beginning);
    world.set_narrating(true);
    for (const Choice& step : path) world.take(step.first, step.second);
    world.set_narrating(false);
    std::printf("  %s\n", outcome.violation.c_str());
  }
  return outcome;
}

}  // namespace framering::model
