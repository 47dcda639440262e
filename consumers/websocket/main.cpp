// SPDX-License-Identifier: Apache-2.0
//
// framering-websocket: one event loop, one reader for each stream that is watched.
//
//   Server ─► HttpSession ─┬─► FrameSession ─┐
//                          ├─► MjpegSession ─┼─ subscribe ─► StreamHub ─► StreamFeed ─► the ring
//                          ├─► StateSession ─┤
//                          └─► SnapshotSession
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>

#include "control/ready.h"
#include "hangup.h"
#include "listen_address.h"
#include "options.h"
#include "server.h"
#ifdef FRAMERING_TLS
#include "tls.h"
#endif

using namespace framering;
using namespace framering::websocket;

namespace {

#ifdef FRAMERING_TLS
TlsContext load_tls(const Options& options) {
  if (!options.encrypted()) return TlsContext(TlsContext::tls_server);  // is not used
  if (options.tls_self_signed.empty()) return tls_context(options.tls_cert, options.tls_key);
  const SelfSigned own = self_signed_certificate(options.tls_self_signed, options.access.hosts);
  spdlog::info("{} certificate {} SHA-256 {}", own.is_new ? "made" : "using", own.cert_file,
               own.fingerprint);
  return tls_context(own.cert_file, own.key_file);
}
#endif

// What a reload can change: who may come, and the certificate. Who is connected stays.
struct Reloaded {
  AccessPolicy& access;
  Admission& admission;
  TlsContext* tls;  // null: no TLS
};

std::string reload(ConfigValues& running, const std::optional<Options>& fresh, Reloaded what) {
  check_reload(running, fresh, {"listen", "insecure-open-to-network", "tls-self-signed"});
  if ((what.tls != nullptr) != fresh->encrypted())
    throw std::runtime_error("TLS on or off needs a restart");
#ifdef FRAMERING_TLS
  if (what.tls != nullptr) *what.tls = load_tls(*fresh);
#endif
  what.access = AccessPolicy(fresh->access);
  what.admission.limit(fresh->limits);
  return running.take(fresh->config, {"token-secret-file", "tls-cert", "tls-key", "allow-origin",
                                      "host-name", "max-connections", "max-connections-per-address",
                                      "max-requests-per-second"}) +
         "; the files that it names were read again, too";
}

// The time that close frames take to come back. Who takes none is not waited for long.
class Farewell {
 public:
  Farewell(boost::asio::io_context& io, const Counters& counters)
      : io_(io), counters_(counters), timer_(io) {}

  void wait(std::chrono::milliseconds left = std::chrono::seconds(1)) {
    if (left <= kStep || !counters_.has_websockets()) return io_.stop();
    timer_.expires_after(kStep);
    timer_.async_wait([this, left](boost::system::error_code) { wait(left - kStep); });
  }

 private:
  static constexpr std::chrono::milliseconds kStep{10};

  boost::asio::io_context& io_;
  const Counters& counters_;
  boost::asio::steady_timer timer_;
};

}  // namespace

int main(int argc, char** argv) try {
  int exit_code = 0;
  const std::optional<Options> options = parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  spdlog::set_default_logger(spdlog::stderr_color_st("framering-websocket"));
  std::signal(SIGPIPE, SIG_IGN);

  // The sessions are owned by what is pending in the loop, so they end with `io`: what they use
  // while being destroyed must be older, and what calls into the loop must be younger.
  Counters counters;
  UstreamerClients ustreamer;
  Admission admission(options->limits);
  AccessPolicy access(options->access);
  TlsContext* tls = nullptr;
#ifdef FRAMERING_TLS
  TlsContext context = load_tls(*options);
  if (options->encrypted()) tls = &context;
#endif
  UndecidedSessions undecided;
  boost::asio::io_context io(1);
  StreamHub hub(io, options->socket_dir, options->backlog);
  StreamDirectory directory(io, options->socket_dir);
  Server server(io, options->listen,
                {hub, directory, admission, access, counters, ustreamer, options->whep}, undecided,
                tls);
  boost::asio::signal_set signals(io, SIGINT, SIGTERM);
  ConfigValues config = options->config;
  const Hangup hangup(io, config, [&] {
    return reload(config, parse_options(argc, argv, exit_code), {access, admission, tls});
  });
  Farewell farewell(io, counters);
  signals.async_wait([&](boost::system::error_code, int) {
    server.stop();
    hub.say_goodbye();
    farewell.wait();
  });

  const std::string url = url_of(server.endpoint(), options->encrypted());
  if (options->open_to_anybody)
    spdlog::warn("other machines reach {}: {}", url,
                 options->encrypted() ? "anybody can watch, without a token"
                                      : "whoever can listen on the way sees what is watched");
  server.start();
  announce_ready("framering-websocket", "listening on " + url);
  io.run();
  return 0;
} catch (const std::exception& error) {
  spdlog::error("{}", error.what());
  return 1;
}
