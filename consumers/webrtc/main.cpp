// SPDX-License-Identifier: Apache-2.0
//
// framering-webrtc: one event loop, one reader for each stream that is watched.
//
//   Server ─► HttpSession ─► WhepSessions ─► WhepSession ─┬─► RtcPeer ─► webrtcbin ─► the viewer
//                                                         └─ join ─► StreamRelay ─► the ring
//   WhipClient ─► the same RtcPeer and StreamRelay, towards a server
#include <gst/gst.h>
#include <malloc.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <functional>
#include <optional>

#include "control/ready.h"
#include "hangup.h"
#include "listen_address.h"
#include "options.h"
#include "server.h"
#include "unix_time.h"
#include "whip_client.h"

using namespace framering;
using namespace framering::webrtc;

namespace {

// So long the server that was published to may take to hear of its end.
constexpr std::chrono::seconds kFarewell{2};

std::function<std::string()> token_source(const Options& options) {
#ifdef FRAMERING_TLS
  if (!options.livekit.key.empty()) {
    return [access = options.livekit] {
      const std::int64_t now_s = websocket::unix_seconds();
      return livekit_token(access, now_s, now_s + 3600);
    };
  }
#endif
  return [token = options.token] { return token; };
}

void publish(const Options& options) {
  boost::asio::io_context io(1);
  Reaper reaper;
  {
    websocket::StreamHub hub(io, options.socket_dir, websocket::BacklogPolicy::worst);
    const auto client = std::make_shared<WhipClient>(
        io, reaper, hub,
        WhipTarget{*options.whip, options.stream, token_source(options), options.ice});
    boost::asio::signal_set signals(io, SIGINT, SIGTERM);
    boost::asio::steady_timer farewell(io);
    signals.async_wait([&](boost::system::error_code, int) {
      client->stop([&io] { io.stop(); });
      farewell.expires_after(kFarewell);
      farewell.async_wait([&io](boost::system::error_code) { io.stop(); });
    });
    client->start();
    announce_ready("framering-webrtc",
                   "publishing " + options.stream + " to " + options.whip->text());
    io.run();
  }
  reaper.join();
}

void serve(Options options, const std::function<std::optional<Options>()>& read_again) {
  websocket::Admission admission({});
  websocket::AccessPolicy access(options.access);
  UndecidedSessions undecided;
  boost::asio::io_context io(1);
  websocket::StreamHub hub(io, options.socket_dir, websocket::BacklogPolicy::worst);
  WhepSessions sessions(io, hub, options.ice, options.max_viewers);
  const Services services{sessions, admission, access, options.access.origins,
                          ice_links(options.ice)};
  Server server(io, options.listen, services, undecided);
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  signals.async_wait([&](boost::system::error_code, int) { io.stop(); });
  const websocket::Hangup hangup(io, options.config, [&] {
    const std::optional<Options> fresh = read_again();
    websocket::check_reload(options.config, fresh, {"listen", "insecure-open-to-network", "whip"});
    options.access = fresh->access;
    access = websocket::AccessPolicy(fresh->access);
    sessions.limit(fresh->max_viewers);
    return options.config.take(fresh->config,
                               {"token-secret-file", "allow-origin", "host-name", "max-viewers"});
  });
  server.start();
  announce_ready("framering-webrtc", "listening on " + websocket::url_of(server.endpoint()));
  io.run();
}

}  // namespace

int main(int argc, char** argv) try {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_st("framering-webrtc"));
  std::signal(SIGPIPE, SIG_IGN);
  // A viewer has a dozen threads; an arena for each would keep what the last viewer left.
  ::mallopt(M_ARENA_MAX, 2);
  gst_init(nullptr, nullptr);
  RtcPeer::warm_up();
  if (options->whip)
    publish(*options);
  else
    serve(*options, [&] { return parse_options(argc, argv, exit_code); });
  return 0;
} catch (const std::exception& error) {
  spdlog::error("{}", error.what());
  return 1;
}
