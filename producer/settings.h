// SPDX-License-Identifier: Apache-2.0
//
// The settings of a source that operators may change while it runs: `framering set STREAM
// key=value`.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control/stream_writer.h"

namespace framering {

// Width and height in one number, so that a setting is always one number.
constexpr std::uint64_t pack_size(std::uint32_t width, std::uint32_t height) noexcept {
  return std::uint64_t{width} << 32 | height;
}
constexpr std::uint32_t packed_width(std::uint64_t size) noexcept {
  return static_cast<std::uint32_t>(size >> 32);
}
constexpr std::uint32_t packed_height(std::uint64_t size) noexcept {
  return static_cast<std::uint32_t>(size);
}

struct Setting {
  enum class Kind : std::uint8_t {
    number,
    bytes,         // with an optional K, M or G
    picture_size,  // WIDTHxHEIGHT; min and max hold for both sides
    on_off,        // 1 or 0, written "on" or "off"
    action,        // "now" is its only value; it happens once
  };
  std::string key;
  Kind kind = Kind::number;
  std::string unit;
  std::uint64_t min = 0;
  std::uint64_t max = 0;
  std::uint64_t value = 0;
  std::uint32_t width_multiple = 1;  // picture_size: of pixels
};

// "500..10000", for people.
[[nodiscard]] std::string range_of(const Setting& setting);
[[nodiscard]] std::string value_of(const Setting& setting);
// The value that `text` stands for. Nothing: `complaint` gets a sentence such as "bitrate-kbps=20
// is out of range: 500..10000 kbit/s".
[[nodiscard]] std::optional<std::uint64_t> parse_setting(const Setting& setting,
                                                         const std::string& text,
                                                         std::string& complaint);
// The key of `settings` that looks most like `key`; for refusals.
[[nodiscard]] std::string_view nearest_key(std::span<const Setting> settings, std::string_view key);

// Hands changes over from the control threads (one for each stream) to the pipeline thread.
class SettingsBoard : public SettingsHandler {
 public:
  explicit SettingsBoard(std::vector<Setting> settings) : settings_(std::move(settings)) {}

  // Any thread.
  [[nodiscard]] std::vector<SettingValue> settings() override;
  [[nodiscard]] std::string change(
      std::span<const std::pair<std::string, std::string>> values) override;

  // Pipeline thread: true once after each change. Costs one load while nothing changed.
  [[nodiscard]] bool take_change() noexcept;
  [[nodiscard]] bool change_waits() const noexcept {
    return changed_.load(std::memory_order_relaxed);  // take_change orders what follows
  }
  [[nodiscard]] std::uint64_t value(std::size_t index);
  // An action that was asked for since the last call.
  [[nodiscard]] bool take_action(std::size_t index);

 private:
  std::mutex mutex_;
  std::vector<Setting> settings_;     // guarded by mutex_
  std::atomic<bool> changed_{false};  // release with acquire: whoever sees it also sees the values
};

}  // namespace framering
