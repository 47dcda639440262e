// SPDX-License-Identifier: Apache-2.0
//
// The fences and the racing copy that the ring's correctness rests on. Which fence meets which, and
// the bug that follows without it, stands where they are used: writer.cpp and reader.cpp, same
// letters.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "shared_word.h"

#ifndef FRAMERING_MODEL_WORD  // the model checker's header brings these as well

#if defined(__SANITIZE_THREAD__)
#define FRAMERING_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define FRAMERING_TSAN 1
#endif
#endif

namespace framering {

#ifdef FRAMERING_TSAN
// ThreadSanitizer does not model fences: it gets a read-modify-write in their place.
inline std::atomic<std::uint32_t> tsan_fence_word{0};
inline void fence_seq_cst() noexcept {
  tsan_fence_word.fetch_add(0, std::memory_order_seq_cst);
}
inline void fence_acquire() noexcept {
  tsan_fence_word.fetch_add(0, std::memory_order_acq_rel);
}
inline void fence_release() noexcept {
  tsan_fence_word.fetch_add(0, std::memory_order_acq_rel);
}
#else
inline void fence_seq_cst() noexcept {
  std::atomic_thread_fence(std::memory_order_seq_cst);
}
inline void fence_acquire() noexcept {
  std::atomic_thread_fence(std::memory_order_acquire);
}
inline void fence_release() noexcept {
  std::atomic_thread_fence(std::memory_order_release);
}
#endif

// Copies into or out of the ring beside the other side's access. What a reader gets means nothing
// until it has checked, after fence_acquire(), that the bytes were still kept.
#if defined(__clang__) || defined(__GNUC__)
__attribute__((no_sanitize("thread")))
#endif
inline void
copy_racing(void* to, const void* from, std::size_t bytes) noexcept {
  std::memcpy(to, from, bytes);
}

}  // namespace framering

#endif
