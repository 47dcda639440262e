// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <ctime>
#include <iostream>
#include <stdexcept>

#include "cli_line.h"
#include "listen_address.h"
#include "page_policy.h"
#ifdef FRAMERING_TLS
#include "token.h"
#endif

namespace framering::websocket {

namespace {

// What the command line says, before it is known to make sense.
struct Words {
  std::string listen = "127.0.0.1:8080";
  std::string secret_file;
  std::string backlog = "worst";
  bool insecure = false;
  unsigned make_token_hours = 0;
};

void add_options(CLI::App& app, Options& options, Words& words) {
  app.add_option("--listen", words.listen, "Address and port; port 0 takes a free one")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  app.add_flag("--insecure-open-to-network", words.insecure,
               "Allow --listen on an address that other machines reach without TLS or without\n"
               "tokens: anybody who can connect, or listens on the way, then sees every stream");
  app.add_option("--socket-dir", options.socket_dir,
                 "Where the broker's sockets are (default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");
#ifdef FRAMERING_TLS
  auto* const cert =
      app.add_option("--tls-cert", options.tls_cert, "Certificate chain, PEM")->type_name("FILE");
  auto* const key =
      app.add_option("--tls-key", options.tls_key, "Its key, PEM")->type_name("FILE")->needs(cert);
  cert->needs(key);
  app.add_option("--tls-self-signed", options.tls_self_signed,
                 "Use the certificate in this folder; made there when there is none")
      ->type_name("DIR")
      ->excludes(cert);
  app.add_option("--token-secret-file", words.secret_file,
                 "Serve only who has a token (JWT, HS256) signed with the secret in this file:\n"
                 "Authorization: Bearer, or cookie framering-token or nano-kvm-token.\n"
                 "With NanoKVM's jwt secret in it, NanoKVM's log-in is good here as well")
      ->type_name("FILE");
  app.add_option("--make-token", words.make_token_hours,
                 "Print a token that is good for so many hours, and end")
      ->type_name("HOURS")
      ->check(CLI::Range(1, 24 * 366));
#endif
  app.add_option("--allow-origin", options.access.origins,
                 "Pages of this other site may connect, such as https://home.example; repeatable")
      ->type_name("ORIGIN");
  app.add_option("--host-name", options.access.hosts,
                 "A name that this server goes by, besides this host's own; repeatable")
      ->type_name("NAME");
  app.add_option("--max-connections", options.limits.connections, "Connections open at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--max-connections-per-address", options.limits.connections_per_address,
                 "Of one IPv4 address or IPv6 /64")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.add_option("--max-requests-per-second", options.limits.requests_per_second,
                 "Of one address; four times as many may come at once")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--backlog-policy", words.backlog,
                 "Which viewer's line decides how much the producer sends: the worst, the median\n"
                 "or the best one")
      ->check(CLI::IsMember({"worst", "median", "best"}))
      ->capture_default_str();
  app.add_option("--whep", options.whep,
                 "Where on this host a WebRTC consumer speaks WHEP, for the viewer page, such as\n"
                 ":8081/whep/{stream} (framering-webrtc) or, behind a proxy, /whep/{stream}")
      ->type_name("[:PORT]/PATH")
      ->check(CLI::Validator(
          [](const std::string& text) {
            return is_whep_address(text) ? "" : text + " is not [:PORT]/PATH with {stream} in it";
          },
          ""));
  app.set_version_flag("--version", "framering-websocket " FRAMERING_VERSION);
}

void refuse_to_be_open_by_mistake(Options& options, const Words& words) {
  if (options.listen.address().is_loopback()) return;
  options.open_to_anybody = !options.encrypted() || options.access.token_secret.empty();
  if (!options.open_to_anybody || words.insecure) return;
  throw std::invalid_argument(
      words.listen +
      " is reachable from other machines: give --tls-cert and --tls-key (or --tls-self-signed) and "
      "--token-secret-file, or listen on 127.0.0.1, or give --insecure-open-to-network to let "
      "anybody watch");
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app(
      "Serves the streams of a broker to browsers: viewer page, H.264 and MP4 over WebSocket,\n"
      "MJPEG; the addresses of NanoKVM and of uStreamer.",
      "framering-websocket");
  Options options;
  Words words;
  add_options(app, options, words);
  const ConfigTable table{"websocket"};
  add_config_options(app, table);
  std::optional<ConfiguredLine> line;
  try {
    line.emplace(argc, argv, with_keys(table, app));
    parse(app, *line);
    options.listen = parse_listen_address(words.listen);
    options.backlog = parse_backlog_policy(words.backlog).value_or(BacklogPolicy::worst);
#ifdef FRAMERING_TLS
    if (!words.secret_file.empty()) options.access.token_secret = read_secret(words.secret_file);
    if (words.make_token_hours != 0) {
      if (words.secret_file.empty())
        throw std::invalid_argument("--make-token needs --token-secret-file");
      std::cout << make_token(options.access.token_secret,
                              std::time(nullptr) + std::int64_t{3600} * words.make_token_hours)
                << "\n";
      exit_code = 0;
      return std::nullopt;
    }
#endif
    refuse_to_be_open_by_mistake(options, words);
    if (line->was_check_only()) {
      exit_code = 0;
      return std::nullopt;
    }
    options.config = line->values();
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error);
    return std::nullopt;
  } catch (const std::invalid_argument& error) {
    exit_code = app.exit(CLI::ValidationError(line ? line->locate(error.what()) : error.what()));
    return std::nullopt;
  }
  return options;
}

}  // namespace framering::websocket
