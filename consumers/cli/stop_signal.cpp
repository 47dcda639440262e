// SPDX-License-Identifier: Apache-2.0
#include "stop_signal.h"

#include <csignal>

namespace framering::cli {

namespace {

volatile std::sig_atomic_t stop = 0;  // a signal handler has nothing else to reach for

void on_signal(int) {
  stop = 1;
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action {};
  action.sa_handler = on_signal;  // without SA_RESTART: a blocked write ends as well
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

bool stop_requested() noexcept {
  return stop != 0;
}

}  // namespace framering::cli
