// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <initializer_list>
#include <system_error>

#include "ring/fd.h"

namespace framering {

// Blocks these signals, and SIGHUP if `with_hangup`, in the calling thread and in those it starts
// later: so it comes before any thread. They arrive at the descriptor instead. Throws
// std::system_error.
inline Fd make_signal_fd(std::initializer_list<int> numbers, bool with_hangup) {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : numbers) sigaddset(&wanted, number);
  if (with_hangup) sigaddset(&wanted, SIGHUP);
  ::pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
  Fd signals(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!signals.valid()) throw std::system_error(errno, std::generic_category(), "signalfd");
  return signals;
}

}  // namespace framering
