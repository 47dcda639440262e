// SPDX-License-Identifier: Apache-2.0
//
// One table of a configuration file, as words of a command line. Without toml++ in the build there
// is no such file: everything here then refuses with a sentence.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace framering {

// An option of a program: a key of its table.
struct ConfigKey {
  std::string name;   // "max-streams", without dashes
  bool flag = false;  // true or false in the file; on the command line it is there, or is not
};

// The table that is a program's.
struct ConfigTable {
  std::string name;           // "broker"
  bool by_instance = false;   // [producer.NAME]: --instance chooses
  std::string instance = {};  // NAME
  std::vector<ConfigKey> keys = {};
};

struct ConfigEntry {
  int line = 0;                     // in the file
  bool flag = false;                // then `values` is empty: false, or has one word: true
  std::vector<std::string> values;  // as the command line would have them
};

struct ConfigEntries {
  int line = 1;  // of the table's head
  std::map<std::string, ConfigEntry, std::less<>> by_key;
};

// Throws std::invalid_argument with "FILE:LINE: what is wrong, and what was probably meant".
[[nodiscard]] ConfigEntries read_config_table(const std::string& file, const ConfigTable& table);

// The tables of a file: "broker" and "", "producer" and "hdmi". Throws as above.
struct ConfigName {
  std::string table, instance;
};
[[nodiscard]] std::vector<ConfigName> config_tables(const std::string& file);

}  // namespace framering
