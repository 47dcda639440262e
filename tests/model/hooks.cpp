// SPDX-License-Identifier: Apache-2.0
//
// What the real code's words, fences and copies do in the model.
#include <cassert>
#include <cstring>
#include <string>
#include <unordered_map>

#include "hooks.h"
#include "mutants.h"
#include "word.h"
#include "world.h"

namespace framering::model {
namespace {

using What = Alteration::What;

// Pieces of more than eight bytes stand in the memory's histories by a number.
class Contents {
 public:
  std::uint64_t number_of(const void* data, std::size_t bytes) {
    const Outside outside;
    const std::string key(static_cast<const char*>(data), bytes);
    const auto [found, is_new] = numbers_.try_emplace(key, contents_.size());
    if (is_new) contents_.push_back(key);
    return found->second;
  }
  void write(std::uint64_t number, void* to, std::size_t bytes) const {
    std::memcpy(to, contents_[number].data(), bytes);
  }

 private:
  std::unordered_map<std::string, std::uint64_t> numbers_;
  std::vector<std::string> contents_;
};

Contents& contents() {
  static Contents all;
  return all;
}

// The producer's process has unmapped a page: nothing may touch it from there.
void check_mapped(int block) {
  World& world = World::get();
  if (block < 0 || !world.self().producer) return;
  const Block& entry = world.block(block);
  if (std::string_view(entry.name) == "reader" && entry.read_only_mappings == 0) {
    world.violate("looks at a reader page that was unmapped");
  }
}

// Issued before, satisfied at last: by any store that was not older than the view of that time.
void settle(bool looks_too) {
  World& world = World::get();
  Thread& self = world.self();
  int kept = 0;
  for (int i = 0; i < self.delayed_loads; ++i) {
    const DelayedLoad load = self.loads[i];
    if (load.look && !looks_too) {
      self.loads[kept++] = load;
      continue;
    }
    Step step;
    step.kind = Step::Kind::load;
    step.word = load.word;
    step.floor = load.floor;
    step.function = load.look ? "look" : "copy";
    // Its place in the list counts for the hash until it is satisfied.
    const std::uint64_t value = world.stop_before(step);
    const std::size_t bytes = world.bytes_of(load.word);
    if (bytes > 8) {
      contents().write(value, load.to, bytes);
    } else {
      std::memcpy(load.to, &value, bytes);
    }
  }
  self.delayed_loads = kept;
}

void put(int word, std::uint64_t value, bool release, const char* function) {
  World& world = World::get();
  if (release) settle(true);
  world.memory().store(world.current(), word, value, release);
  world.narrate(release ? "store release" : "store", word, value, function);
}

// Stores that a mutant held back until here.
void put_late_stores(const char* kind, const char* function) {
  if (!anything_altered()) return;
  for (DelayedStore& late : World::get().self().stores) {
    if (late.word < 0) continue;
    const std::string_view until = late.until;
    const std::size_t blank = until.find(' ');
    if (until.substr(0, blank) != kind || until.substr(blank + 1) != function) continue;
    const DelayedStore store = late;
    late.word = -1;
    put(store.word, store.value, store.release, function);
  }
}

// What a slot's number must be for a reader that knows `head`.
std::uint64_t number_wanted(int word) {
  World& world = World::get();
  // Both stand in the names: slot 1 of 2 is "number 1/2".
  const std::string& name = world.name_of(word);
  const auto slots = static_cast<std::uint64_t>(name.back() - '0');
  const auto slot = static_cast<std::uint64_t>(name[name.size() - 3] - '0');
  std::uint64_t number = world.memory().viewed_value(world.current(), world.word_named("head"));
  while (number % slots != slot) --number;
  return number;
}

}  // namespace

std::uint64_t pack(const void* from, std::size_t bytes) {
  if (bytes > 8) return contents().number_of(from, bytes);
  std::uint64_t value = 0;
  std::memcpy(&value, from, bytes);
  return value;
}

std::uint64_t load(const void* word, std::uint64_t raw, std::memory_order order,
                   const char* function) {
  World& world = World::get();
  world.last_touched = word;
  if (!world.running()) return raw;
  const int known = world.word_of(word);
  if (known < 0) return raw;
  check_mapped(world.block_of(word));
  put_late_stores("load", function);
  if (const Alteration* alteration = altered(What::load_yields, function, known)) {
    return alteration->value;
  }
  if (world.self().slot_looks >= 0 && world.name_of(known).starts_with("number ") &&
      world.self().slot_looks-- == 0) {
    world.stop_before(Step{});  // its end
  }
  if (altered(What::number_fits, function, known) != nullptr) return number_wanted(known);
  Step step;
  step.kind = Step::Kind::load;
  step.acquire =
      order != std::memory_order_relaxed && altered(What::relaxed_load, function, known) == nullptr;
  step.word = static_cast<std::uint8_t>(known);
  step.floor = world.memory().view(world.current(), known);
  step.function = function;
  return world.stop_before(step);
}

bool store(void* word, std::uint64_t value, std::memory_order order, const char* function) {
  World& world = World::get();
  world.last_touched = word;
  if (!world.running()) return false;
  put_late_stores("store", function);
  const int known = world.word_of(word);
  if (known < 0) return world.block_of(word) >= 0;  // a statistic: nobody here reads it
  if (altered(What::no_store, function, known) != nullptr) return true;
  const bool release = order != std::memory_order_relaxed &&
                       altered(What::relaxed_store, function, known) == nullptr;
  if (const Alteration* alteration = altered(What::late_store, function, known)) {
    for (DelayedStore& late : world.self().stores) {
      if (late.word >= 0 && late.word != known) continue;
      late = DelayedStore{known, value, release, alteration->until};
      return true;
    }
  }
  put(known, value, release, function);
  return true;
}

std::uint64_t add(void* word, std::uint64_t raw, std::uint64_t more, std::memory_order order,
                  const char* function) {
  World& world = World::get();
  const int known = world.running() ? world.word_of(word) : -1;
  if (known < 0) return raw;
  const std::uint64_t before = world.memory().newest_value(known);
  store(word, before + more, order, function);
  return before;
}

void fence(std::memory_order order, const char* function) {
  World& world = World::get();
  if (!world.running()) return;
  put_late_stores(order == std::memory_order_release ? "fence_release" : "fence", function);
  if (altered(What::no_fence, function, -1, static_cast<std::uint64_t>(order)) != nullptr) {
    settle(false);  // the code is about to look at what it copied
    return;
  }
  settle(true);
  Memory& memory = world.memory();
  switch (order) {
    case std::memory_order_acquire:
      memory.fence_acquire(world.current());
      return;
    case std::memory_order_release:
      memory.fence_release(world.current());
      return;
    default:
      if (!world.fences_meet) {
        memory.fence_seq_cst(world.current());
        return;
      }
      Step step;
      step.kind = Step::Kind::fence_seq_cst;
      step.function = function;
      world.stop_before(step);
  }
}

void copy(void* to, const void* from, std::size_t bytes, const char* function) {
  World& world = World::get();
  const bool out = world.running() && world.word_of(from) >= 0;
  const bool in = world.running() && world.word_of(to) >= 0;
  if (!out && !in) {
    std::memcpy(to, from, bytes);
    return;
  }
  auto* target = static_cast<char*>(to);
  const auto* source = static_cast<const char*>(from);
  for (std::size_t done = 0; done < bytes;) {
    const int word = world.word_of(out ? source + done : target + done);
    assert(word >= 0 && "a copy of whole pieces only");
    if (in) {
      put(word, pack(source + done, world.bytes_of(word)), false, function);
    } else {
      delay_load(target + done, word, false);
    }
    done += world.bytes_of(word);
  }
  if (out && bytes <= 8) settle(false);  // so short a copy is looked at before any fence
}

void delay_load(void* to, int word, bool look) {
  World& world = World::get();
  Thread& self = world.self();
  assert(self.delayed_loads < kMaxDelayed);
  self.loads[self.delayed_loads++] = DelayedLoad{to, static_cast<std::uint8_t>(word),
                                                 world.memory().view(world.current(), word), look};
}

void look(std::span<const std::byte> bytes, std::span<std::byte> to) {
  World& world = World::get();
  for (std::size_t done = 0; done < bytes.size();) {
    const int word = world.word_of(bytes.data() + done);
    assert(word >= 0);
    delay_load(to.data() + done, word, true);
    done += world.bytes_of(word);
  }
}

void settle_looks() {
  settle(true);
}

void await_last_loaded() {
  World& world = World::get();
  Step step;
  step.kind = Step::Kind::await;
  step.word = world.self().last_loaded;
  world.stop_before(step);
}

void futex_step(bool wait, const void* word, std::uint32_t expected) {
  World& world = World::get();
  put_late_stores("futex", wait ? "wait" : "wake");
  Step step;
  step.kind = wait ? Step::Kind::futex_wait : Step::Kind::futex_wake;
  const int known = world.word_of(word);
  assert(known >= 0);
  step.word = static_cast<std::uint8_t>(known);
  step.function = wait ? "futex_wait" : "futex_wake";
  step.value = expected;
  if (!wait && altered(What::no_wake, "futex_wake", known) != nullptr) return;
  if (wait && altered(What::wait_anyway, "futex_wait", known) != nullptr) {
    step.value = world.memory().newest_value(known);
  }
  world.stop_before(step);
}

}  // namespace framering::model
