// SPDX-License-Identifier: Apache-2.0
//
// futex(2), non-private: the word lies in memory that two processes map. Waiting works on a
// read-only mapping, and so does waking.
#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>

#include "shared_word.h"

namespace framering {

// Sleeps while the word is `expected`, at most `timeout_ns`. Returns on a wake, a change, the end
// of the time or a signal alike: the caller looks for itself.
inline void futex_wait(const SharedU32& word, std::uint32_t expected,
                       std::int64_t timeout_ns) noexcept {
  const timespec timeout{static_cast<time_t>(timeout_ns / 1'000'000'000),
                         static_cast<long>(timeout_ns % 1'000'000'000)};
  ::syscall(SYS_futex, &word, FUTEX_WAIT, expected, &timeout, nullptr, 0);
}

// Wakes one sleeper. Never blocks.
inline void futex_wake(const SharedU32& word) noexcept {
  ::syscall(SYS_futex, &word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

}  // namespace framering
