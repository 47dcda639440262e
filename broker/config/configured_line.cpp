// SPDX-License-Identifier: Apache-2.0
#include "configured_line.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <set>
#include <stdexcept>

namespace framering {
namespace {

// "--key" in `text`, not as the beginning of a longer option.
std::size_t find_option(std::string_view text, std::string_view option) {
  for (std::size_t at = text.find(option); at != std::string_view::npos;
       at = text.find(option, at + 1)) {
    const std::size_t end = at + option.size();
    const auto goes_on = [](char c) { return c == '-' || (c >= 'a' && c <= 'z'); };
    if (end == text.size() || !goes_on(text[end])) return at;
  }
  return std::string_view::npos;
}

const ConfigEntry* find(const ConfigEntries& entries, std::string_view key) {
  const auto found = entries.by_key.find(key);
  return found == entries.by_key.end() ? nullptr : &found->second;
}

std::string list(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

bool ConfigValues::differs(const ConfigValues& fresh, std::string_view key) const {
  const ConfigEntry* mine = find(entries_, key);
  const ConfigEntry* other = find(fresh.entries_, key);
  if (mine == nullptr || other == nullptr) return mine != other;
  return mine->values != other->values;
}

std::string ConfigValues::take(const ConfigValues& fresh,
                               const std::vector<std::string_view>& changeable) {
  std::vector<std::string> taken, waiting;
  std::set<std::string> keys;
  for (const auto& [key, entry] : entries_.by_key) keys.insert(key);
  for (const auto& [key, entry] : fresh.entries_.by_key) keys.insert(key);
  for (const std::string& key : keys) {
    if (!differs(fresh, key)) continue;
    if (std::ranges::find(changeable, key) == changeable.end()) {
      waiting.push_back(key);
      continue;
    }
    taken.push_back(key);
    if (const ConfigEntry* now = find(fresh.entries_, key)) {
      entries_.by_key[key] = *now;
    } else {
      entries_.by_key.erase(key);
    }
  }
  if (taken.empty() && waiting.empty()) return file_ + " read again: nothing has changed";
  return file_ + " read again: " + (taken.empty() ? "" : list(taken) + " taken") +
         (taken.empty() || waiting.empty() ? "" : "; ") +
         (waiting.empty() ? "" : list(waiting) + " changed, which needs a restart");
}

ConfiguredLine::ConfiguredLine(int argc, const char* const* argv, ConfigTable table)
    : table_(std::move(table)) {
  take_own_options(argc, argv);
  own_words_ = words_;
  if (!file_.empty()) {
    add_from_file();
  } else if (check_only_ || !table_.instance.empty()) {
    throw std::invalid_argument(std::string(check_only_ ? "--config-check" : "--instance") +
                                " is about a configuration file: give --config FILE");
  }
  pointers_.reserve(words_.size() + 1);
  for (std::string& word : words_) pointers_.push_back(word.data());
  pointers_.push_back(nullptr);
}

void ConfiguredLine::take_own_options(int argc, const char* const* argv) {
  const std::vector<std::string> all(argv, argv + argc);
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::string& word = all[i];
    if (word == "--") {
      words_.insert(words_.end(), all.begin() + static_cast<std::ptrdiff_t>(i), all.end());
      return;
    }
    // "--option VALUE" and "--option=VALUE".
    const auto value_of = [&](const std::string& option) -> std::optional<std::string> {
      if (word.starts_with(option + "=")) return word.substr(option.size() + 1);
      if (word != option) return std::nullopt;
      if (i + 1 == all.size()) throw std::invalid_argument(option + " needs a value");
      return all[++i];
    };
    if (i != 0 && word == "--config-check") {
      check_only_ = true;
    } else if (const auto file = value_of("--config")) {
      if (file->empty()) throw std::invalid_argument("--config needs the name of a file");
      file_ = *file;
    } else if (const auto name = table_.by_instance ? value_of("--instance") : std::nullopt) {
      table_.instance = *name;
    } else {
      words_.push_back(word);
    }
  }
}

bool ConfiguredLine::given(std::string_view option) const {
  return std::ranges::any_of(own_words_, [&](const std::string& word) {
    return word == option || word.starts_with(std::string(option) + "=");
  });
}

void ConfiguredLine::add_from_file() {
  ConfigEntries entries = read_config_table(file_, table_);
  std::vector<std::string> added;
  for (auto& [key, entry] : entries.by_key) {
    const std::string option = "--" + key;
    if (given(option)) continue;
    if (entry.flag) {
      if (!entry.values.empty()) added.push_back(option);
      continue;
    }
    for (const std::string& value : entry.values) {
      added.push_back(option);
      added.back() += "=" + value;
    }
  }
  std::erase_if(entries.by_key, [this](const auto& one) { return given("--" + one.first); });
  words_.insert(std::ranges::find(words_, "--"), added.begin(), added.end());
  values_ = ConfigValues(file_, std::move(entries));
}

// Programs name the option that they refuse, or at least its value.
std::string ConfiguredLine::locate(const std::string& complaint) const {
  if (file_.empty()) return complaint;
  std::size_t first = std::string::npos;
  int line = 0;
  const auto consider = [&](std::size_t at, int its_line) {
    if (at >= first) return;
    first = at;
    line = its_line;
  };
  for (const auto& [key, entry] : values_.entries().by_key) {
    consider(find_option(complaint, "--" + key), entry.line);
  }
  if (line == 0) {
    for (std::size_t i = 1; i < own_words_.size(); ++i) {
      const std::string option = own_words_[i].substr(0, own_words_[i].find('='));
      if (complaint.find(option) != std::string::npos) return complaint;
    }
    for (const auto& [key, entry] : values_.entries().by_key) {
      for (const std::string& value : entry.values) consider(complaint.find(value), entry.line);
    }
  }
  return file_ + ":" + std::to_string(line != 0 ? line : values_.entries().line) + ": " + complaint;
}

bool ConfiguredLine::was_check_only() const {
  if (!check_only_) return false;
  std::printf("%s: [%s%s] is right\n", file_.c_str(), table_.name.c_str(),
              table_.by_instance ? ("." + table_.instance).c_str() : "");
  return true;
}

}  // namespace framering
