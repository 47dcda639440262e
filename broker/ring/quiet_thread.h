// SPDX-License-Identifier: Apache-2.0
//
// Threads of the library inside somebody else's program.
#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace framering {

// A thread that takes no signal: those are the program's own threads'. Throws std::system_error
// when there is no thread to be had.
template <typename Run>
[[nodiscard]] std::thread quiet_thread(Run&& run) {
  // The new thread inherits the mask; ours comes back whether it began or not.
  struct AllBlocked {
    AllBlocked() noexcept {
      sigset_t all;
      sigfillset(&all);
      pthread_sigmask(SIG_BLOCK, &all, &before);
    }
    ~AllBlocked() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
    AllBlocked(const AllBlocked&) = delete;
    AllBlocked& operator=(const AllBlocked&) = delete;
    sigset_t before;
  };
  const AllBlocked blocked;
  return std::thread(std::forward<Run>(run));
}

}  // namespace framering
