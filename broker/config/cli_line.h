// SPDX-License-Identifier: Apache-2.0
//
// ConfiguredLine for programs that use CLI11.
#pragma once

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "configured_line.h"

namespace framering {

// What is about this one run, and no key of a file.
inline constexpr std::array<std::string_view, 7> kNoKeys = {
    "help", "version", "config", "config-check", "instance", "make-token", "check-library"};

// For --help only: ConfiguredLine takes them out before CLI11 sees the words.
inline void add_config_options(CLI::App& app, const ConfigTable& table) {
  app.add_option("--config")->description(kConfigHelp)->type_name("FILE");
  if (table.by_instance) {
    app.add_option("--instance")
        ->description(kInstanceHelp + ("[" + table.name + ".NAME]"))
        ->type_name("NAME");
  }
  app.add_flag("--config-check")->description(kConfigCheckHelp);
}

// `table` with the options of `app` as its keys.
inline ConfigTable with_keys(ConfigTable table, const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      if (std::ranges::find(kNoKeys, name) != kNoKeys.end()) continue;
      table.keys.push_back({name, option->get_items_expected_max() == 0});
    }
  }
  return table;
}

// As app.parse; a mistake in the file is refused with its place.
inline void parse(CLI::App& app, ConfiguredLine& line) {
  try {
    app.parse(line.argc(), line.argv());
  } catch (const CLI::Success&) {
    throw;  // --help
  } catch (const CLI::ParseError& error) {
    throw CLI::ParseError(line.locate(error.what()), error.get_exit_code());
  }
}

}  // namespace framering
