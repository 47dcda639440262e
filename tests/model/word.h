// SPDX-License-Identifier: Apache-2.0
//
// Stands in for std::atomic, the fences and the racing copy when the real ring code is compiled for
// the model checker (FRAMERING_MODEL_WORD in schema/shared_word.h and broker/ring/ordering.h). What
// they do is in hooks.cpp. Each call brings the function it stands in, by which a mutant finds it.
#pragma once

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace framering {
namespace model {

std::uint64_t load(const void* word, std::uint64_t raw, std::memory_order order,
                   const char* function);
// False: the word is no part of the model; the caller stores it by itself.
bool store(void* word, std::uint64_t value, std::memory_order order, const char* function);
// Reads the newest value and adds to it; words with one writer only.
std::uint64_t add(void* word, std::uint64_t raw, std::uint64_t more, std::memory_order order,
                  const char* function);
void fence(std::memory_order order, const char* function);
void copy(void* to, const void* from, std::size_t bytes, const char* function);

}  // namespace model

// The value at rest lives in `raw_`; once the threads of a world run, that of the words which the
// model knows lives in its memory (memory.h).
template <typename T>
class SharedWord {
 public:
  SharedWord() noexcept = default;
  SharedWord(T value) noexcept : raw_(value) {}
  SharedWord(const SharedWord&) = delete;
  SharedWord& operator=(const SharedWord&) = delete;

  T load(std::memory_order order = std::memory_order_seq_cst,
         const char* function = __builtin_FUNCTION()) const noexcept {
    return from_bits(model::load(this, to_bits(raw_), order, function));
  }
  void store(T value, std::memory_order order = std::memory_order_seq_cst,
             const char* function = __builtin_FUNCTION()) noexcept {
    if (!model::store(this, to_bits(value), order, function)) raw_ = value;
  }
  T fetch_add(T more, std::memory_order order = std::memory_order_seq_cst,
              const char* function = __builtin_FUNCTION()) noexcept {
    const T before = from_bits(model::add(this, to_bits(raw_), to_bits(more), order, function));
    return before;
  }

 private:
  static std::uint64_t to_bits(T value) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return std::bit_cast<std::uint64_t>(value);
    } else {
      return static_cast<std::uint64_t>(value);
    }
  }
  static T from_bits(std::uint64_t bits) noexcept {
    if constexpr (std::is_pointer_v<T>) {
      return std::bit_cast<T>(bits);
    } else {
      return static_cast<T>(bits);
    }
  }

  T raw_{};
};
static_assert(sizeof(SharedWord<std::uint64_t>) == 8 && alignof(SharedWord<std::uint64_t>) == 8);
static_assert(sizeof(SharedWord<std::uint32_t>) == 4);

inline void fence_seq_cst(const char* function = __builtin_FUNCTION()) noexcept {
  model::fence(std::memory_order_seq_cst, function);
}
inline void fence_acquire(const char* function = __builtin_FUNCTION()) noexcept {
  model::fence(std::memory_order_acquire, function);
}
inline void fence_release(const char* function = __builtin_FUNCTION()) noexcept {
  model::fence(std::memory_order_release, function);
}
inline void copy_racing(void* to, const void* from, std::size_t bytes,
                        const char* function = __builtin_FUNCTION()) noexcept {
  model::copy(to, from, bytes, function);
}

}  // namespace framering
