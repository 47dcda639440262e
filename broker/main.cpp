// SPDX-License-Identifier: Apache-2.0
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "broker.h"
#include "control/ready.h"
#include "options.h"

namespace {

using namespace framering;

// A mistake in the file leaves everything as it is.
void reload(Broker& broker, int argc, char** argv) {
  try {
    const auto fresh = parse_options(argc, argv);
    std::fprintf(stderr, "framering-broker: %s\n", broker.reload(*fresh).c_str());
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering-broker: %s; going on as before\n", error.what());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const auto options = parse_options(argc, argv);
    if (!options) return 0;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGINT);
    sigaddset(&stop, SIGTERM);
    if (options->config.reloadable()) sigaddset(&stop, SIGHUP);
    sigprocmask(SIG_BLOCK, &stop, nullptr);
    const Fd stop_fd(::signalfd(-1, &stop, SFD_CLOEXEC | SFD_NONBLOCK));
    Broker broker(*options);
    announce_ready("framering-broker", "listening in " + options->socket_dir);
    for (signalfd_siginfo signal{};;) {
      broker.run(stop_fd.get());
      const bool arrived = ::read(stop_fd.get(), &signal, sizeof signal) == sizeof signal;
      if (!arrived || signal.ssi_signo != SIGHUP) return 0;
      reload(broker, argc, argv);
    }
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "framering-broker: %s\n", error.what());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "framering-broker: %s\n", error.what());
    return 1;
  }
}
