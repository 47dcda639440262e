// SPDX-License-Identifier: Apache-2.0
//
// The type of every word that two processes share. A plain std::atomic; the model checker replaces
// it (FRAMERING_MODEL_WORD names its header) to run the real ring code under every order of stores.
#pragma once

#include <cstdint>

#ifdef FRAMERING_MODEL_WORD
#include FRAMERING_MODEL_WORD
#else
#include <atomic>
namespace framering {
template <typename T>
using SharedWord = std::atomic<T>;
static_assert(std::atomic<std::uint32_t>::is_always_lock_free);
static_assert(std::atomic<std::uint64_t>::is_always_lock_free, "the layout needs 64-bit atomics");
static_assert(sizeof(std::atomic<std::uint64_t>) == 8 && alignof(std::atomic<std::uint64_t>) == 8);
}  // namespace framering
#endif

namespace framering {
using SharedU32 = SharedWord<std::uint32_t>;
using SharedU64 = SharedWord<std::uint64_t>;
}  // namespace framering
