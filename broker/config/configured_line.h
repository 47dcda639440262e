// SPDX-License-Identifier: Apache-2.0
//
// A command line with a configuration file in it: `--config FILE` puts the keys of the program's
// table behind the words that were given, as `--key=value`. The program then parses one command
// line, so that each check and each refusal is written once. What was given on the command line as
// well, the file does not override.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "toml_file.h"

namespace framering {

// What the file said; empty: there is no file. Kept to see, after a reload, what changed.
class ConfigValues {
 public:
  ConfigValues() = default;
  ConfigValues(std::string file, ConfigEntries entries)
      : file_(std::move(file)), entries_(std::move(entries)) {}

  // Without a file there is nothing to read again: SIGHUP then ends the program, as ever.
  [[nodiscard]] bool reloadable() const noexcept { return !file_.empty(); }
  // Whether the two differ in that key.
  [[nodiscard]] bool differs(const ConfigValues& fresh, std::string_view key) const;
  // Keeps of `fresh` what may change while the program runs. Returns a sentence that says which
  // keys that were and which wait for a restart.
  std::string take(const ConfigValues& fresh, const std::vector<std::string_view>& changeable);
  [[nodiscard]] const ConfigEntries& entries() const noexcept { return entries_; }

 private:
  std::string file_;
  ConfigEntries entries_;
};

class ConfiguredLine {
 public:
  // Throws std::invalid_argument with a sentence that names file and line.
  ConfiguredLine(int argc, const char* const* argv, ConfigTable table);

  [[nodiscard]] int argc() const noexcept { return static_cast<int>(pointers_.size()) - 1; }
  [[nodiscard]] char** argv() noexcept { return pointers_.data(); }
  // A refusal of the parsed line, with the place in the file when it is about what the file said.
  [[nodiscard]] std::string locate(const std::string& complaint) const;
  // --config-check: the program says that all is well and ends. True: it was said.
  [[nodiscard]] bool was_check_only() const;
  [[nodiscard]] ConfigValues values() const { return values_; }

 private:
  void take_own_options(int argc, const char* const* argv);
  void add_from_file();
  [[nodiscard]] bool given(std::string_view option) const;

  ConfigTable table_;
  std::vector<std::string> words_;
  std::vector<std::string> own_words_;  // of the command line
  std::vector<char*> pointers_;
  std::string file_;
  bool check_only_ = false;
  ConfigValues values_;
};

// For --help.
inline constexpr const char* kConfigHelp =
    "Take options from this TOML file; SIGHUP reads it again";
inline constexpr const char* kConfigCheckHelp = "Say whether --config is right, and end";
inline constexpr const char* kInstanceHelp = "Which of the file's tables of this program: ";

}  // namespace framering
