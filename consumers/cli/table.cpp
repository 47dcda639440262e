// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <algorithm>
#include <cassert>
#include <cstdio>

namespace framering::cli {

namespace {

constexpr std::size_t kGap = 2;  // spaces between columns

std::string format(const char* pattern, double value, const char* unit) {
  char text[64];
  std::snprintf(text, sizeof text, pattern, value, unit);
  return text;
}

std::string padded(const std::string& cell, std::size_t width, Align align) {
  const std::string space(width - cell.size(), ' ');
  return align == Align::right ? space + cell : cell + space;
}

}  // namespace

Table::Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

void Table::add(std::vector<std::string> cells) {
  assert(cells.size() == columns_.size());
  for (std::string& cell : cells) cell = printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<bool> Table::shown(const std::vector<std::size_t>& widths, std::size_t width) const {
  std::vector<bool> show(columns_.size(), true);
  for (;;) {
    std::size_t total = 0;
    std::size_t last = columns_.size();  // the shown column that goes first
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!show[c]) continue;
      total += widths[c] + (total == 0 ? 0 : kGap);
      const int rank = columns_[c].rank;
      if (rank > 0 && (last == columns_.size() || rank >= columns_[last].rank)) last = c;
    }
    if (width == 0 || total <= width || last == columns_.size()) return show;
    show[last] = false;
  }
}

std::vector<std::string> Table::lines(std::size_t width) const {
  std::vector<std::size_t> widths;
  for (std::size_t c = 0; c < columns_.size(); ++c) {
    std::size_t widest = columns_[c].title.size();
    for (const auto& row : rows_) widest = std::max(widest, row[c].size());
    widths.push_back(widest);
  }
  const std::vector<bool> show = shown(widths, width);

  std::vector<std::string> out;
  const auto print = [&](const auto& cell_of) {
    std::string line;
    for (std::size_t c = 0; c < columns_.size(); ++c) {
      if (!show[c]) continue;
      if (!line.empty()) line.append(kGap, ' ');
      line += padded(cell_of(c), widths[c], columns_[c].align);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (width != 0 && line.size() > width) line.resize(width);
    out.push_back(std::move(line));
  };
  print([&](std::size_t c) -> const std::string& { return columns_[c].title; });
  for (const auto& row : rows_) {
    print([&](std::size_t c) -> const std::string& { return row[c]; });
  }
  return out;
}

std::string Table::text(std::size_t width) const {
  std::string all;
  for (const std::string& line : lines(width)) all += line + '\n';
  return all;
}

std::string printable(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr const char* kUnits[] = {"KiB", "MiB", "GiB", "TiB"};
  if (bytes < 1024) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return format(value < 99.95 ? "%.1f %s" : "%.0f %s", value, kUnits[unit]);
}

std::string bitrate_text(double bits_per_second) {
  if (bits_per_second < 999.5) return format("%.0f %s", bits_per_second, "bit/s");
  if (bits_per_second < 999'500) return format("%.0f %s", bits_per_second / 1e3, "kbit/s");
  if (bits_per_second < 999.95e6) return format("%.1f %s", bits_per_second / 1e6, "Mbit/s");
  return format("%.2f %s", bits_per_second / 1e9, "Gbit/s");
}

std::string seconds_text(double seconds) {
  if (seconds < 99.95) return format("%.1f %s", seconds, "s");
  if (seconds < 100 * 60) return format("%.0f %s", seconds / 60, "min");
  return format("%.1f %s", seconds / 3600, "h");
}

std::string rate_text(double per_second) {
  return format(per_second < 999.95 ? "%.1f%s" : "%.0f%s", per_second, "");
}

std::string size_text(std::uint32_t width, std::uint32_t height) {
  if (width == 0 || height == 0) return "-";
  return std::to_string(width) + "x" + std::to_string(height);
}

}  // namespace framering::cli
