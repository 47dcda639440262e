// SPDX-License-Identifier: Apache-2.0
#include "mutants.h"

#include <cstring>
#include <string>

#include "world.h"

namespace framering::model {
namespace {

std::span<const Alteration> active;

}  // namespace

void apply(std::span<const Alteration> alterations) {
  active = alterations;
}
bool anything_altered() {
  return !active.empty();
}

const Alteration* altered(Alteration::What what, const char* function, int word,
                          std::uint64_t value) {
  for (const Alteration& alteration : active) {
    if (alteration.what != what || std::strcmp(function, alteration.function) != 0) continue;
    if (value != kAnyValue && alteration.value != value) continue;
    if (word >= 0 && !World::get().name_of(word).starts_with(alteration.word)) continue;
    return &alteration;
  }
  return nullptr;
}

}  // namespace framering::model
