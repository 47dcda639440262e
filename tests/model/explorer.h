// SPDX-License-Identifier: Apache-2.0
//
// Depth-first search through every order of steps and every choice of loads, each state once.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace framering::model {

struct Limits {
  std::uint64_t states = 4'000'000;  // more: the search ends unfinished
};

struct Outcome {
  bool complete = false;     // every state was seen
  std::string violation;     // empty: none found
  std::uint64_t states = 0;  // with more than one way on, all different
  std::uint64_t steps = 0;   // taken
  std::uint64_t ends = 0;    // ways that came to the end of all threads
  std::size_t longest = 0;   // steps of one execution
};

// `set_up` builds the world, from begin_setup() to end_setup(). `narrate`: a violation is played
// again and printed, step by step.
[[nodiscard]] Outcome explore(const std::function<void()>& set_up, const Limits& limits,
                              bool narrate);

}  // namespace framering::model
