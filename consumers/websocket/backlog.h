// SPDX-License-Identifier: Apache-2.0
//
// Whose need counts when viewers differ: what the producer is told of all viewers of a stream.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace framering::websocket {

enum class BacklogPolicy : std::uint8_t {
  worst,   // quality follows the slowest viewer: everybody keeps up
  median,  // half of the viewers keep up; the slower ones lose frames
  best,    // only when nobody keeps up, quality gives way
};

// One viewer since it was last asked.
struct ViewerLoad {
  std::uint32_t frames = 0;  // waiting for it, or dropped because too many waited
  std::uint32_t bytes = 0;
  std::uint32_t kbps = 0;  // what it took while something waited; 0 = no opinion
};

// The load of the viewer that counts; nothing of it when there are no viewers.
[[nodiscard]] ViewerLoad load_that_counts(std::vector<ViewerLoad> loads, BacklogPolicy policy);

[[nodiscard]] std::optional<BacklogPolicy> parse_backlog_policy(std::string_view word) noexcept;

}  // namespace framering::websocket
