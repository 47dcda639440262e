// SPDX-License-Identifier: Apache-2.0
//
// framering-websocket: one event loop, one reader for each stream that is watched.
//
//   Server ─► HttpSession ─┬─► DirectSession ─┐
//                          ├─► MjpegSession  ─┼─ subscribe ─► StreamHub ─► StreamFeed ─► the ring
//                          ├─► StateSession  ─┤
//                          └─► SnapshotSession┘
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <exception>

#include "control/ready.h"
#include "listen_address.h"
#include "options.h"
#include "server.h"

using namespace framering;
using namespace framering::websocket;

int main(int argc, char** argv) try {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_st("framering-websocket"));
  std::signal(SIGPIPE, SIG_IGN);

  // The sessions are owned by what is pending in the loop, so they end with `io`: what they use
  // while being destroyed must be older, and what calls into the loop must be younger.
  ConnectionLimit connections(options->max_connections);
  boost::asio::io_context io(1);
  StreamHub hub(io, options->socket_dir);
  StreamDirectory directory(io, options->socket_dir);
  Server server(io, options->listen, {hub, directory, connections});
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { io.stop(); });

  if (!options->listen.address().is_loopback())
    spdlog::warn("other machines reach {}: anybody can watch, unencrypted",
                 url_of(server.endpoint()));
  server.start();
  announce_ready("framering-websocket", "listening on " + url_of(server.endpoint()));
  io.run();
  return 0;
} catch (const std::exception& error) {
  spdlog::error("{}", error.what());
  return 1;
}
