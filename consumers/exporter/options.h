// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "configured_line.h"

namespace framering::exporter {

struct Options {
  std::string listen = "127.0.0.1:9464";
  std::string socket_dir;           // empty: $FRAMERING_DIR, else /run/framering
  std::vector<std::string> probes;  // streams to read, for histograms
  ConfigValues config;              // what of this a configuration file said
};

// Nothing: the program ends with `exit_code`, and what is to say has been said (--help, a mistake).
[[nodiscard]] std::optional<Options> parse_options(int argc, char** argv, int& exit_code);

}  // namespace framering::exporter
