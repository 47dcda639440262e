// SPDX-License-Identifier: Apache-2.0
//
// Stands in for std::atomic, the fences and the racing copy when the real ring code is compiled to
// be tortured (FRAMERING_MODEL_WORD in schema/shared_word.h): the same, each step of it a fault
// point.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstring>

#include "points.h"

namespace framering {

using torture::Place;

template <typename T>
class SharedWord {
 public:
  SharedWord() noexcept = default;
  SharedWord(T value) noexcept : word_(value) {}

  T load(std::memory_order order, Place place = Place::current()) const noexcept {
    torture::pass_step("load", place);
    return word_.load(order);
  }
  void store(T value, std::memory_order order, Place place = Place::current()) noexcept {
    torture::pass_step("store", place);
    word_.store(value, order);
  }
  T fetch_add(T more, std::memory_order order, Place place = Place::current()) noexcept {
    torture::pass_step("add", place);
    return word_.fetch_add(more, order);
  }

 private:
  std::atomic<T> word_{};
};
static_assert(sizeof(SharedWord<unsigned long long>) == 8);

inline void fence_seq_cst(Place place = Place::current()) noexcept {
  torture::pass_step("fence", place);
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void fence_acquire(Place place = Place::current()) noexcept {
  torture::pass_step("fence", place);
  std::atomic_thread_fence(std::memory_order_acquire);
}
inline void fence_release(Place place = Place::current()) noexcept {
  torture::pass_step("fence", place);
  std::atomic_thread_fence(std::memory_order_release);
}

// In two halves, so that it can be interrupted where it hurts most.
inline void copy_racing(void* to, const void* from, std::size_t bytes,
                        Place place = Place::current()) noexcept {
  torture::pass_step("copy", place);
  const std::size_t half = bytes / 2;
  std::memcpy(to, from, half);
  torture::pass_step("half copied", place);
  std::memcpy(static_cast<std::byte*>(to) + half, static_cast<const std::byte*>(from) + half,
              bytes - half);
}

}  // namespace framering
