// SPDX-License-Identifier: Apache-2.0
#include "toml_file.h"

#include <algorithm>
#include <array>
#include <stdexcept>

#ifdef FRAMERING_TOML

#include <charconv>

#include "nearest.h"
#define TOML_ENABLE_FORMATTERS 0
#include <toml++/toml.h>

namespace framering {
namespace {

// Every program refuses a table that is nobody's; the keys in a table are its program's to judge.
constexpr std::array<std::string_view, 6> kTables = {"broker", "producer", "websocket",
                                                     "webrtc", "recorder", "exporter"};
constexpr std::string_view kForAll = "socket-dir";  // above all tables

constexpr std::array<std::string_view, 2> kByInstance = {"producer", "recorder"};

toml::table parse_file(const std::string& file) {
  try {
    return toml::parse_file(file);
  } catch (const toml::parse_error& error) {
    const auto line = error.source().begin.line;
    throw std::invalid_argument(file + (line != 0 ? ":" + std::to_string(line) : "") + ": " +
                                std::string(error.description()));
  }
}

class Reading {
 public:
  Reading(const std::string& file, const ConfigTable& table) : file_(file), table_(table) {}

  ConfigEntries read() {
    const toml::table document = parse_file(file_);
    for (const auto& [key, node] : document) look_at_top(key.str(), node);
    if (const toml::table* own = own_table(document)) {
      entries_.line = line_of(*own);
      for (const auto& [key, node] : *own) take(key.str(), node);
    }
    return std::move(entries_);
  }

 private:
  static int line_of(const toml::node& node) { return static_cast<int>(node.source().begin.line); }

  [[noreturn]] void refuse(const toml::node& at, const std::string& why) const {
    throw std::invalid_argument(file_ + ":" + std::to_string(line_of(at)) + ": " + why);
  }

  [[nodiscard]] std::string title() const {
    return "[" + table_.name + (table_.by_instance ? "." + table_.instance : "") + "]";
  }

  void look_at_top(std::string_view key, const toml::node& node) {
    if (key == kForAll) {
      if (knows(kForAll) != nullptr) take(key, node);
      return;
    }
    if (std::ranges::find(kTables, key) == kTables.end()) {
      const auto meant = nearest_name(kTables, key, [](auto name) { return name; });
      refuse(node, "nothing is called " + std::string(key) + " here; did you mean [" +
                       std::string(meant) + "]? Above all tables there is only socket-dir");
    }
    if (!node.is_table())
      refuse(node, std::string(key) + " is a table: write [" + std::string(key) + "]");
  }

  [[nodiscard]] const toml::table* own_table(const toml::table& document) const {
    const toml::table* found = document[table_.name].as_table();
    if (!table_.by_instance) return found;
    std::string known;
    if (found != nullptr) {
      for (const auto& [name, node] : *found) {
        if (!node.is_table()) {
          refuse(node, std::string(name.str()) + " belongs into a table of one " + table_.name +
                           ", such as [" + table_.name + ".hdmi]");
        }
        known += (known.empty() ? "" : ", ") + std::string(name.str());
      }
    }
    const toml::table* own = found == nullptr ? nullptr : (*found)[table_.instance].as_table();
    if (own == nullptr) {
      throw std::invalid_argument(
          file_ + ": " +
          (table_.instance.empty() ? "--instance NAME is needed, for a [" + table_.name + ".NAME]"
                                   : "there is no " + title()) +
          (known.empty() ? "" : "; there are: " + known));
    }
    return own;
  }

  [[nodiscard]] const ConfigKey* knows(std::string_view name) const {
    const auto found = std::ranges::find(table_.keys, name, &ConfigKey::name);
    return found == table_.keys.end() ? nullptr : &*found;
  }

  void take(std::string_view name, const toml::node& node) {
    const std::string said(name);
    const ConfigKey* key = knows(name);
    if (key == nullptr) {
      const auto meant = nearest_name(
          table_.keys, name, [](const ConfigKey& one) { return std::string_view(one.name); });
      refuse(node,
             said + " is no key of " + title() + "; did you mean " + std::string(meant) + "?");
    }
    ConfigEntry entry{line_of(node), key->flag, {}};
    if (key->flag) {
      const auto* on = node.as_boolean();
      if (on == nullptr) refuse(node, said + " is true or false");
      if (on->get()) entry.values.emplace_back("true");
    } else if (const toml::array* several = node.as_array()) {
      for (const toml::node& one : *several) entry.values.push_back(word(said, one));
    } else {
      entry.values.push_back(word(said, node));
    }
    entries_.by_key[said] = std::move(entry);
  }

  [[nodiscard]] std::string word(const std::string& key, const toml::node& node) const {
    if (const auto* text = node.as_string()) {
      if (text->get().empty()) refuse(node, key + " is empty; leave it out, or comment it out");
      if (text->get().find('\0') != std::string::npos) refuse(node, key + " has a zero byte in it");
      return text->get();
    }
    if (const auto* whole = node.as_integer()) return std::to_string(whole->get());
    if (const auto* number = node.as_floating_point()) {
      std::array<char, 32> digits;
      const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number->get());
      return {digits.data(), end.ptr};
    }
    refuse(node, key + " is a text, a number, or a list of these");
  }

  const std::string& file_;
  const ConfigTable& table_;
  ConfigEntries entries_;
};

}  // namespace

ConfigEntries read_config_table(const std::string& file, const ConfigTable& table) {
  return Reading(file, table).read();
}

std::vector<ConfigName> config_tables(const std::string& file) {
  const toml::table document = parse_file(file);
  std::vector<ConfigName> names = {{"broker", ""}};  // which refuses what is nobody's
  for (const std::string_view name : kTables) {
    const toml::table* table = document[name].as_table();
    if (table == nullptr || name == "broker") continue;
    if (std::ranges::find(kByInstance, name) == kByInstance.end()) {
      names.push_back({std::string(name), ""});
      continue;
    }
    for (const auto& [instance, node] : *table) {
      names.push_back({std::string(name), std::string(instance.str())});
    }
  }
  return names;
}

}  // namespace framering

#else

namespace framering {

ConfigEntries read_config_table(const std::string& file, const ConfigTable& /*table*/) {
  throw std::invalid_argument("--config " + file +
                              ": this program was built without toml++ and reads no "
                              "configuration file; give its options on the command line");
}

std::vector<ConfigName> config_tables(const std::string& file) {
  (void)read_config_table(file, {});
  return {};
}

}  // namespace framering

#endif
