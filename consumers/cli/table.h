// SPDX-License-Identifier: Apache-2.0
//
// Prints rows in columns, and numbers with their units.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace framering::cli {

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string title;
  Align align = Align::left;
  int rank = 0;  // when the table is too wide, the column with the highest rank is left out first;
                 // 0: never
};

// Cells may come from other processes: whatever could move the cursor is shown as '?'.
class Table {
 public:
  explicit Table(std::vector<Column> columns);

  void add(std::vector<std::string> cells);  // one for each column
  // Titles, then rows, each a line; at most `width` characters wide (0: as wide as needed).
  [[nodiscard]] std::vector<std::string> lines(std::size_t width = 0) const;
  [[nodiscard]] std::string text(std::size_t width = 0) const;

 private:
  [[nodiscard]] std::vector<bool> shown(const std::vector<std::size_t>& widths,
                                        std::size_t width) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Printable ASCII as it is, everything else as '?'.
[[nodiscard]] std::string printable(std::string_view text);

[[nodiscard]] std::string bytes_text(std::uint64_t bytes);       // "4.0 MiB"
[[nodiscard]] std::string bitrate_text(double bits_per_second);  // "3.2 Mbit/s"
[[nodiscard]] std::string seconds_text(double seconds);          // "1.0 s", "3 min", "2.5 h"
[[nodiscard]] std::string rate_text(double per_second);          // "29.9"
[[nodiscard]] std::string size_text(std::uint32_t width, std::uint32_t height);  // "1280x720"; "-"

}  // namespace framering::cli
