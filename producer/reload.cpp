// SPDX-License-Identifier: Apache-2.0
#include "reload.h"

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace framering {
namespace {

// A key of the file, and the setting of a source that it becomes.
struct Wish {
  std::string_view key;
  std::string setting;
  std::string value;
};

std::vector<Wish> wishes_of(const Options& options) {
  const bool kvm = options.source == SourceKind::kvm;
  const auto fps = static_cast<std::uint64_t>(options.fps.value_or(30));
  const std::string picture = std::to_string(options.width) + "x" + std::to_string(options.height);
  std::vector<Wish> wishes = {{"fps", "fps", std::to_string(fps)}};
  if (!kvm) {
    wishes.push_back({"size", "size", std::to_string(options.size)});
    return wishes;
  }
  for (const std::string_view side : {"width", "height"}) wishes.push_back({side, "size", picture});
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::uint32_t>>{
           {"gop", options.gop.value_or(30)},
           {"bitrate-kbps", options.bitrate_kbps},
           {"min-bitrate-kbps", options.min_bitrate_kbps},
           {"quality", options.quality},
           {"min-quality", options.min_quality}}) {
    wishes.push_back({key, key, std::to_string(value)});
  }
  return wishes;
}

}  // namespace

Reload::Reload(ConfigValues config, std::function<Options()> read_again, SettingsHandler& settings,
               Watchdog& watchdog)
    : config_(std::move(config)),
      read_again_(std::move(read_again)),
      settings_(settings),
      watchdog_(watchdog) {
  watchdog_.when_hung_up([this] { run(); });
}

Reload::~Reload() {
  watchdog_.when_hung_up(nullptr);
}

void Reload::run() try {
  const Options fresh = read_again_();
  const std::vector<SettingValue> known = settings_.settings();
  std::vector<std::string_view> changeable;
  std::vector<std::pair<std::string, std::string>> changes;
  for (const Wish& wish : wishes_of(fresh)) {
    if (std::ranges::find(known, wish.setting, &SettingValue::key) == known.end()) continue;
    changeable.push_back(wish.key);
    if (config_.differs(fresh.config, wish.key)) changes.emplace_back(wish.setting, wish.value);
  }
  const std::string refusal = changes.empty() ? "" : settings_.change(changes);
  if (!refusal.empty()) throw UsageError(refusal);
  std::fprintf(stderr, "framering-producer: %s\n", config_.take(fresh.config, changeable).c_str());
} catch (const std::exception& error) {
  std::fprintf(stderr, "framering-producer: %s; going on as before\n", error.what());
}

}  // namespace framering
