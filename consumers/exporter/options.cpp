// SPDX-License-Identifier: Apache-2.0
#include "options.h"

#include <stdexcept>

#include "cli_line.h"

namespace framering::exporter {

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app("Serves the numbers of a broker's streams and readers to Prometheus.",
               "framering-exporter");
  Options options;
  app.add_option("--listen", options.listen,
                 "Address and port of /metrics; port 0 takes a free one. Whoever reaches it may\n"
                 "read it. A socket handed over by a service manager goes first")
      ->type_name("ADDR:PORT")
      ->capture_default_str();
  app.add_option("--socket-dir", options.socket_dir,
                 "Where the broker's sockets are (default: $FRAMERING_DIR, else /run/framering)")
      ->type_name("DIR");
  app.add_option("--probe", options.probes,
                 "Also read this stream, as any reader does, for histograms of its latencies, key\n"
                 "intervals and frame sizes; costs a wake-up for each frame; repeatable")
      ->type_name("STREAM");
  app.set_version_flag("--version", "framering-exporter " FRAMERING_VERSION);
  const ConfigTable table{"exporter"};
  add_config_options(app, table);
  exit_code = 2;
  try {
    ConfiguredLine line(argc, argv, with_keys(table, app));
    parse(app, line);
    options.config = line.values();
    if (!line.was_check_only()) return options;
    exit_code = 0;
  } catch (const CLI::ParseError& error) {
    if (app.exit(error) == 0) exit_code = 0;
  } catch (const std::invalid_argument& error) {
    std::fprintf(stderr, "framering-exporter: %s\n", error.what());
  }
  return std::nullopt;
}

}  // namespace framering::exporter
