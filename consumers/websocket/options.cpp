// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <CLI/CLI.hpp>
#include <stdexcept>

#include "listen_address.h"

namespace framering::websocket {

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app(
      "Serves the streams of a broker to browsers: viewer page, H.264 over WebSocket, MJPEG.",
      "framering-websocket");
  Options options;
  std::string listen = "127.0.0.1:8080";
  bool insecure_listen = false;
  app.add_option("--listen", listen, "Address and port; port 0 takes a free one")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  app.add_flag(
      "--insecure-listen", insecure_listen,
      "Allow --listen on an address that other machines reach. Anybody who can connect then\n"
      "sees every stream, unencrypted and without a password");
  app.add_option("--socket-dir", options.socket_dir,
                 "Where the broker's sockets are (default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");
  app.add_option("--max-connections", options.max_connections, "Connections open at a time")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  app.set_version_flag("--version", "framering-websocket " FRAMERING_VERSION);
  try {
    app.parse(argc, argv);
    options.listen = parse_listen_address(listen);
    if (!options.listen.address().is_loopback() && !insecure_listen)
      throw std::invalid_argument(
          listen +
          " is reachable from other machines, and this server has no passwords and no TLS: "
          "listen on 127.0.0.1, or give --insecure-listen to let anybody watch");
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error);
    return std::nullopt;
  } catch (const std::invalid_argument& error) {
    exit_code = app.exit(CLI::ValidationError("--listen", error.what()));
    return std::nullopt;
  }
  return options;
}

}  // namespace framering::websocket
