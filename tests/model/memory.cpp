// SPDX-License-Identifier: Apache-2.0
#include "memory.h"

#include <bit>
#include <cassert>
#include <cstring>

namespace framering::model {

std::uint64_t mix(std::uint64_t hash, std::uint64_t value) noexcept {
  // The sum keeps zeros from being lost: a step that yields 0 is a step.
  std::uint64_t mixed = (std::rotl(hash, 23) ^ value) + 0x632BE59BD9B4E019U;
  mixed *= 0x9E3779B97F4A7C15U;
  mixed ^= mixed >> 32;
  mixed *= 0xD6E8FEB86659FD93U;
  return mixed ^ mixed >> 32;
}

std::uint64_t hash_bytes(const void* data, std::size_t bytes, std::uint64_t seed) noexcept {
  const auto* from = static_cast<const char*>(data);
  std::uint64_t hash = mix(seed, bytes);
  for (; bytes >= 8; bytes -= 8, from += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, 8);
    hash = mix(hash, word);
  }
  std::uint64_t rest = 0;
  std::memcpy(&rest, from, bytes);
  return mix(hash, rest);
}

namespace {

// The view as far as it says more than `floor`, relative to it.
std::uint64_t hash_above(const View& view, const View& floor, std::uint64_t seed) noexcept {
  View above;
  for (int i = 0; i < kMaxWords; ++i) {
    above.at[i] = view.at[i] > floor.at[i] ? static_cast<Time>(view.at[i] - floor.at[i]) : Time{0};
  }
  return hash_bytes(&above, sizeof above, seed);
}

}  // namespace

void Memory::reset() noexcept {
  views_ = {};
  ended_ = {};
  seq_cst_ = {};
  word_count_ = 0;
  store_count_ = 0;
}

int Memory::add_word(std::uint64_t initial) noexcept {
  assert(word_count_ < kMaxWords && "a bigger world needs a bigger kMaxWords");
  const int word = word_count_++;
  newest_[word] = static_cast<std::uint16_t>(store_count_);
  Store& first = stores_[store_count_++];
  first = Store{};
  first.value = initial;
  first.word = static_cast<std::uint8_t>(word);
  return word;
}

std::uint64_t Memory::viewed_value(int thread, int word) const noexcept {
  const Store* store = &newest(word);
  while (store->time > view(thread, word)) store = &stores_[store->previous];
  return store->value;
}

std::uint64_t Memory::load(int thread, int word, int choice, bool acquire) noexcept {
  const Store* taken = &newest(word);
  for (; choice > 0; --choice) taken = &stores_[taken->previous];
  Views& views = views_[thread];
  if (views.now.at[word] < taken->time) views.now.at[word] = taken->time;
  (acquire ? views.now : views.seen).join(taken->carried);
  return taken->value;
}

void Memory::store(int thread, int word, std::uint64_t value, bool release) noexcept {
  assert(store_count_ < kMaxStores && "a longer run needs a bigger kMaxStores");
  Views& views = views_[thread];
  Store& next = stores_[store_count_];
  next.previous = newest_[word];
  next.word = static_cast<std::uint8_t>(word);
  next.time = static_cast<Time>(newest(word).time + 1);
  next.value = value;
  views.now.at[word] = next.time;
  next.carried = release ? views.now : views.fenced;
  next.carried.at[word] = next.time;
  newest_[word] = static_cast<std::uint16_t>(store_count_++);
}

void Memory::fence_seq_cst(int thread) noexcept {
  fence_acquire(thread);
  views_[thread].now.join(seq_cst_);
  seq_cst_ = views_[thread].now;
  fence_release(thread);
}

std::uint64_t Memory::hash(const View& pending_floor) const noexcept {
  View floor = pending_floor;
  for (int thread = 0; thread < kMaxThreads; ++thread) {
    if (ended_[thread]) continue;
    for (int i = 0; i < kMaxWords; ++i) {
      const Time at = views_[thread].now.at[i];
      if (at < floor.at[i]) floor.at[i] = at;
    }
  }
  std::uint64_t sum = 0;  // a sum: in which order the stores of different words came does not count
  for (int i = 0; i < store_count_; ++i) {
    const Store& store = stores_[i];
    if (store.time < floor.at[store.word]) continue;
    const std::uint64_t place = store.word * 256U + store.time - floor.at[store.word];
    sum += hash_above(store.carried, floor, mix(place, store.value));
  }
  std::uint64_t hash = hash_above(seq_cst_, floor, sum);
  for (int thread = 0; thread < kMaxThreads; ++thread) {
    if (ended_[thread]) continue;
    hash = hash_above(views_[thread].now, floor, hash);
    hash = hash_above(views_[thread].seen, floor, hash);
    hash = hash_above(views_[thread].fenced, floor, hash);
  }
  return hash;
}

const std::size_t Memory::kFixedBytes = offsetof(Memory, stores_);

std::size_t Memory::used_bytes() const noexcept {
  return offsetof(Memory, stores_) + sizeof(Store) * static_cast<std::size_t>(store_count_);
}

}  // namespace framering::model
