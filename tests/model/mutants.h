// SPDX-License-Identifier: Apache-2.0
//
// Faults put into the real ring code while it runs, by the function and the word they are found at.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace framering::model {

struct Alteration {
  enum class What : std::uint8_t {
    no_fence,       // of `order`
    relaxed_load,   // not acquire
    relaxed_store,  // not release
    no_store,
    late_store,   // held back until a step or fence described by `until`
    load_yields,  // `value`, whatever stands there: the check that looks at it is gone
    number_fits,  // of a slot: whatever it is, it is the number wanted
    wait_anyway,  // FUTEX_WAIT does not look at the word
    no_wake,      // FUTEX_WAKE is left out
    no_answer,    // of arm(): the caller sleeps whatever it says
    less_steps,   // a publish is allowed `value` steps less: the bound is a bound
  };
  What what;
  const char* function;   // the innermost one of the real code
  const char* word = "";  // part of its name here; "": any
  std::uint64_t value = 0;
  const char* until = "";  // "load head", "fence_release claim", "store leave": before that
};

struct Mutant {
  const char* name;
  std::vector<Alteration> alterations;
  std::vector<const char*> worlds;   // each is searched until one shows the fault
  const char* equivalent = nullptr;  // survives, and this is why
};

inline constexpr std::uint64_t kAnyValue = UINT64_MAX;

// Of the run at hand; empty: the code as it is.
void apply(std::span<const Alteration> alterations);
[[nodiscard]] const Alteration* altered(Alteration::What what, const char* function, int word,
                                        std::uint64_t value = kAnyValue);
[[nodiscard]] bool anything_altered();

[[nodiscard]] const std::vector<Mutant>& mutants();

}  // namespace framering::model
