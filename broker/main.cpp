// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/signalfd.h>

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "broker.h"
#include "control/ready.h"
#include "options.h"

int main(int argc, char** argv) {
  using namespace framering;
  try {
    const auto options = parse_options(argc, argv);
    if (!options) return 0;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
    const Fd stop_fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
    Broker broker(*options);
    announce_ready("framering-broker", "listening in " + options->socket_dir);
    broker.run(stop_fd.get());
    return 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "framering-broker: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering-broker: %s\n", error.what());
    return 1;
  }
}
