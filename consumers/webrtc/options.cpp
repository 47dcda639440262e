// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <stdexcept>

#include "cli_line.h"
#include "listen_address.h"
#include "request_target.h"
#ifdef FRAMERING_TLS
#include "token.h"
#endif

namespace framering::webrtc {

namespace {

// What the command line says, before it is known to make sense.
struct Words {
  std::string listen = "127.0.0.1:8081";
  std::string udp_ports, whip, secret_file;
  bool insecure = false;
};

void add_server_options(CLI::App& app, Options& options, Words& words) {
  app.add_option("--listen", words.listen, "Address and port for WHEP; port 0 takes a free one")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  app.add_flag(
      "--insecure-open-to-network", words.insecure,
      "Allow --listen on an address that other machines reach without tokens: anybody who\n"
      "can connect then sees every stream");
  app.add_option("--max-viewers", options.max_viewers, "Viewers at a time")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_option("--allow-origin", options.access.origins,
                 "Pages of this other site may connect, such as https://home.example; repeatable")
      ->type_name("ORIGIN");
  app.add_option("--host-name", options.access.hosts,
                 "A name that this server goes by, besides this host's own; repeatable")
      ->type_name("NAME");
#ifdef FRAMERING_TLS
  app.add_option(
         "--token-secret-file", words.secret_file,
         "Serve only who has a token (JWT, HS256) signed with the secret in this file; see\n"
         "framering-websocket --make-token")
      ->type_name("FILE");
#endif
}

void add_whip_options(CLI::App& app, Options& options, Words& words) {
  auto* const whip = app.add_option("--whip", words.whip,
                                    "Publish --stream to this WHIP server instead of serving")
                         ->type_name("URL")
                         ->excludes("--listen");
  app.add_option("--stream", options.stream, "What to publish, such as hdmi/h264")
      ->type_name("STREAM")
      ->needs(whip);
  auto* const token = app.add_option("--token", options.token, "For Authorization: Bearer")
                          ->type_name("TOKEN")
                          ->envname("FRAMERING_WHIP_TOKEN")
                          ->needs(whip);
#ifdef FRAMERING_TLS
  auto* const key = app.add_option("--livekit-key", options.livekit.key, "LiveKit's API key")
                        ->type_name("KEY")
                        ->envname("LIVEKIT_API_KEY")
                        ->excludes(token);
  auto* const secret = app.add_option("--livekit-secret", options.livekit.secret,
                                      "LiveKit's API secret (better in the environment)")
                           ->type_name("SECRET")
                           ->envname("LIVEKIT_API_SECRET");
  auto* const room =
      app.add_option("--livekit-room", options.livekit.room, "Where to publish")->type_name("ROOM");
  options.livekit.identity = "framering";
  app.add_option("--livekit-identity", options.livekit.identity, "As whom")
      ->type_name("NAME")
      ->capture_default_str();
  key->needs(secret);
  room->needs(key);
#else
  static_cast<void>(token);
#endif
}

std::string ice_server(const std::string& text, const std::string& scheme,
                       const std::string& secure) {
  if (text.empty() || text.starts_with(scheme + "://") || text.starts_with(secure + "://"))
    return text;
  for (const std::string& one : {scheme, secure}) {
    if (text.starts_with(one + ":")) return one + "://" + text.substr(one.size() + 1);
  }
  throw std::invalid_argument("'" + text + "' is not " + scheme + ":HOST:PORT");
}

void parse_ports(const std::string& text, IceSettings& ice) {
  if (text.empty()) return;
  const std::size_t dash = text.find('-');
  const auto first = websocket::parse_number(std::string_view(text).substr(0, dash));
  const auto last = dash == std::string::npos
                        ? first
                        : websocket::parse_number(std::string_view(text).substr(dash + 1));
  if (!first || !last || *first == 0 || *last > 65535 || *first > *last)
    throw std::invalid_argument("--udp-ports '" + text + "' is not A-B with 1 <= A <= B <= 65535");
  ice.min_port = static_cast<std::uint16_t>(*first);
  ice.max_port = static_cast<std::uint16_t>(*last);
}

void make_sense(Options& options, const Words& words) {
  options.listen = websocket::parse_listen_address(words.listen);
  options.ice.stun = ice_server(options.ice.stun, "stun", "stuns");
  options.ice.turn = ice_server(options.ice.turn, "turn", "turns");
  parse_ports(words.udp_ports, options.ice);
  if (!words.whip.empty()) {
    options.whip = Url::parse(words.whip);
    if (options.stream.empty()) throw std::invalid_argument("--whip needs --stream");
    if (!options.livekit.key.empty() && options.livekit.room.empty())
      throw std::invalid_argument("--livekit-key needs --livekit-room");
    return;
  }
#ifdef FRAMERING_TLS
  if (!words.secret_file.empty())
    options.access.token_secret = websocket::read_secret(words.secret_file);
#endif
  if (!options.listen.address().is_loopback() && options.access.token_secret.empty() &&
      !words.insecure)
    throw std::invalid_argument(
        words.listen +
        " is reachable from other machines: give --token-secret-file, or listen on 127.0.0.1, or "
        "give --insecure-open-to-network to let anybody watch");
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app(
      "Serves the H.264 streams of a broker to browsers by WebRTC (WHEP), or publishes one to a\n"
      "server that fans it out (WHIP). Nothing is encoded again.",
      "framering-webrtc");
  Options options;
  Words words;
  app.add_option("--socket-dir", options.socket_dir,
                 "Where the broker's sockets are (default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");
  app.add_option("--stun", options.ice.stun, "Ask this server for this host's public address")
      ->type_name("stun:HOST:PORT");
  app.add_option("--turn", options.ice.turn, "Let this server pass on what finds no other way")
      ->type_name("turn://USER:PASSWORD@HOST:PORT");
  app.add_option("--udp-ports", words.udp_ports, "Media uses these only; a port a viewer")
      ->type_name("A-B");
  add_server_options(app, options, words);
  add_whip_options(app, options, words);
  app.set_version_flag("--version", "framering-webrtc " FRAMERING_VERSION);
  const ConfigTable table{"webrtc"};
  add_config_options(app, table);
  std::optional<ConfiguredLine> line;
  try {
    line.emplace(argc, argv, with_keys(table, app));
    parse(app, *line);
    make_sense(options, words);
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

}  // namespace framering::webrtc
