// SPDX-License-Identifier: Apache-2.0
//
// framering-exporter: one thread that answers Prometheus, and one more for each --probe.
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <exception>
#include <memory>
#include <vector>

#include "control/ready.h"
#include "control/signal_fd.h"
#include "options.h"
#include "page.h"
#include "probe.h"
#include "ring/clock.h"
#include "scrape_server.h"
#include "watcher.h"

using namespace framering;
using namespace framering::exporter;

namespace {

// While somebody scrapes, the key frames are looked at in between, for their interval. Nobody does:
// no wake-up.
constexpr int kGlance_ms = 500;
constexpr std::uint64_t kScraped_ns = 60'000'000'000;

// Nothing of it can change while it runs; but what is wrong is said.
void look_at_config(ConfigValues& running, int argc, char** argv) {
  int ignored = 0;
  if (const std::optional<Options> fresh = parse_options(argc, argv, ignored)) {
    std::fprintf(stderr, "framering-exporter: %s\n", running.take(fresh->config, {}).c_str());
  } else {
    std::fputs("framering-exporter: the configuration is not right; going on as before\n", stderr);
  }
}

}  // namespace

int main(int argc, char** argv) try {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  const Fd signals = make_signal_fd({SIGINT, SIGTERM}, options->config.reloadable());
  ScrapeServer server(options->listen);
  Watcher watcher(options->socket_dir);
  std::vector<std::unique_ptr<Probe>> probes;
  for (const std::string& stream : options->probes) {
    probes.push_back(std::make_unique<Probe>(stream, options->socket_dir));
  }
  ConfigValues config = options->config;
  announce_ready("framering-exporter", "http://" + server.address() + "/metrics");
  for (std::uint64_t scraped_ns = 0;;) {
    std::array<pollfd, 2> watched = {pollfd{signals.get(), POLLIN, 0},
                                     pollfd{server.fd(), POLLIN, 0}};
    const bool glances = scraped_ns != 0 && monotonic_ns() - scraped_ns < kScraped_ns;
    const int ready = ::poll(watched.data(), watched.size(), glances ? kGlance_ms : -1);
    if (ready == 0) watcher.glance();
    if (watched[1].revents != 0 &&
        server.serve([&] { return metrics_page(watcher.look(), probes); })) {
      scraped_ns = monotonic_ns();
    }
    signalfd_siginfo signal{};
    if (::read(signals.get(), &signal, sizeof signal) != sizeof signal) continue;
    if (signal.ssi_signo != SIGHUP) return 0;
    look_at_config(config, argc, argv);
  }
} catch (const std::exception& error) {
  std::fprintf(stderr, "framering-exporter: %s\n", error.what());
  return 1;
}
