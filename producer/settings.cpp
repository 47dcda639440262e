// SPDX-License-Identifier: Apache-2.0
#include "settings.h"

#include <algorithm>
#include <charconv>

#include "nearest.h"
#include "sizes.h"

namespace framering {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

std::optional<std::uint64_t> parse_picture_size(std::string_view text) {
  const std::size_t cross = text.find('x');
  if (cross == std::string_view::npos) return std::nullopt;
  const auto width = parse_number(text.substr(0, cross));
  const auto height = parse_number(text.substr(cross + 1));
  if (!width || !height || *width > UINT32_MAX || *height > UINT32_MAX) return std::nullopt;
  return pack_size(static_cast<std::uint32_t>(*width), static_cast<std::uint32_t>(*height));
}

std::string text_of(const Setting& setting, std::uint64_t value) {
  if (setting.kind == Setting::Kind::on_off) return value != 0 ? "on" : "off";
  if (setting.kind != Setting::Kind::picture_size) return std::to_string(value);
  return std::to_string(packed_width(value)) + "x" + std::to_string(packed_height(value));
}

bool in_range(const Setting& setting, std::uint64_t value) {
  if (setting.kind != Setting::Kind::picture_size) {
    return value >= setting.min && value <= setting.max;
  }
  const std::uint32_t width = packed_width(value);
  const std::uint32_t height = packed_height(value);
  return width >= packed_width(setting.min) && width <= packed_width(setting.max) &&
         height >= packed_height(setting.min) && height <= packed_height(setting.max);
}

}  // namespace

std::string range_of(const Setting& setting) {
  if (setting.kind == Setting::Kind::action) return "now";
  if (setting.kind == Setting::Kind::on_off) return "on, off";
  std::string range = text_of(setting, setting.min) + ".." + text_of(setting, setting.max);
  if (setting.width_multiple > 1) {
    range += ", width a multiple of " + std::to_string(setting.width_multiple);
  }
  return range;
}

std::string value_of(const Setting& setting) {
  return setting.kind == Setting::Kind::action ? "" : text_of(setting, setting.value);
}

std::optional<std::uint64_t> parse_setting(const Setting& setting, const std::string& text,
                                           std::string& complaint) {
  const std::string said = setting.key + "=" + text;
  const std::string unit = setting.unit.empty() ? "" : " " + setting.unit;
  std::optional<std::uint64_t> value;
  switch (setting.kind) {
    case Setting::Kind::action:
      if (text == "now") return 1;
      complaint = said + ": the only value is " + setting.key + "=now";
      return std::nullopt;
    case Setting::Kind::on_off:
      if (text == "on") return 1;
      if (text == "off") return 0;
      complaint = said + ": write " + setting.key + "=on or " + setting.key + "=off";
      return std::nullopt;
    case Setting::Kind::number:
      value = parse_number(text);
      break;
    case Setting::Kind::bytes:
      value = parse_size(text);
      break;
    case Setting::Kind::picture_size:
      value = parse_picture_size(text);
      break;
  }
  if (!value) {
    const bool picture = setting.kind == Setting::Kind::picture_size;
    complaint = said + (picture ? " is no picture size such as 1280x720: " : " is no number: ") +
                range_of(setting) + unit;
    return std::nullopt;
  }
  if (!in_range(setting, *value)) {
    complaint = said + " is out of range: " + range_of(setting) + unit;
    return std::nullopt;
  }
  if (setting.kind == Setting::Kind::picture_size) {
    if (packed_width(*value) % setting.width_multiple != 0) {
      const std::uint32_t below = packed_width(*value) / setting.width_multiple;
      complaint = said + ": the width must be a multiple of " +
                  std::to_string(setting.width_multiple) + ", such as " +
                  std::to_string(below * setting.width_multiple) + " or " +
                  std::to_string((below + 1) * setting.width_multiple);
      return std::nullopt;
    }
    if (packed_height(*value) % 2 != 0) {
      complaint = said + ": the height must be even";
      return std::nullopt;
    }
  }
  return value;
}

std::string_view nearest_key(std::span<const Setting> settings, std::string_view key) {
  return nearest_name(settings, key,
                      [](const Setting& setting) { return std::string_view(setting.key); });
}

std::vector<SettingValue> SettingsBoard::settings() {
  const std::lock_guard lock(mutex_);
  std::vector<SettingValue> answer;
  for (const Setting& setting : settings_) {
    answer.push_back({setting.key, value_of(setting), range_of(setting), setting.unit});
  }
  return answer;
}

std::string SettingsBoard::change(std::span<const std::pair<std::string, std::string>> values) {
  const std::lock_guard lock(mutex_);
  std::vector<Setting> changed = settings_;
  for (const auto& entry : values) {
    const std::string& key = entry.first;
    const std::string& text = entry.second;
    const auto found = std::find_if(changed.begin(), changed.end(),
                                    [&](const Setting& s) { return s.key == key; });
    if (found == changed.end()) {
      if (changed.empty()) return key + ": this source has nothing to set";
      std::string known;
      for (const Setting& setting : changed) {
        if (!known.empty()) known += ", ";
        known += setting.key;
      }
      std::string refusal = key;
      refusal += " is not a setting of this source; did you mean ";
      refusal += nearest_key(changed, key);
      refusal += "? There are: ";
      return refusal + known;
    }
    std::string complaint;
    const auto value = parse_setting(*found, text, complaint);
    if (!value) return complaint;
    found->value = *value;
  }
  settings_ = std::move(changed);
  changed_.store(true, std::memory_order_release);
  return "";
}

bool SettingsBoard::take_change() noexcept {
  if (!changed_.load(std::memory_order_relaxed)) return false;  // the usual case: no write
  return changed_.exchange(false, std::memory_order_acquire);
}

std::uint64_t SettingsBoard::value(std::size_t index) {
  const std::lock_guard lock(mutex_);
  return settings_[index].value;
}

bool SettingsBoard::take_action(std::size_t index) {
  const std::lock_guard lock(mutex_);
  return std::exchange(settings_[index].value, std::uint64_t{0}) != 0;
}

}  // namespace framering
