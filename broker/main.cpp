// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <stdexcept>

#include "broker.h"
#include "control/ready.h"
#include "control/signal_fd.h"
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
    const Fd stop_fd = make_signal_fd({SIGINT, SIGTERM}, options->config.reloadable());
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
