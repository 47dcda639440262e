// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <string_view>
#include <vector>

namespace framering {

// Levenshtein: how many letters to insert, delete or replace.
[[nodiscard]] inline std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replaced});
    }
  }
  return row.back();
}

// What a person most likely meant. `name_of` gives the name of one of `known`; nothing known: "".
template <typename Range, typename NameOf>
[[nodiscard]] std::string_view nearest_name(const Range& known, std::string_view word,
                                            NameOf name_of) {
  std::string_view nearest;
  std::size_t distance = SIZE_MAX;
  for (const auto& one : known) {
    const std::string_view name = name_of(one);
    const std::size_t d = edit_distance(name, word);
    if (d < distance) {
      distance = d;
      nearest = name;
    }
  }
  return nearest;
}

}  // namespace framering
