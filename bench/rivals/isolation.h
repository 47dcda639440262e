// SPDX-License-Identifier: Apache-2.0
//
// What one reader of four can do to the publisher and to the other three.
#pragma once

#include <string>
#include <vector>

#include "match.h"

namespace framering::bench {

enum class Harm : std::uint8_t {
  none,
  stopped,           // for a while, at any moment
  killed,            // at any moment
  stopped_at_worst,  // while it holds a lock, a buffer, half a frame
  killed_at_worst,
};
[[nodiscard]] const char* text_of(Harm harm);

struct IsolationResults {
  const RivalInfo* info = nullptr;
  Harm harm = Harm::none;
  std::string failed;           // why there are no figures
  bool hung = false;            // the publisher never came back; the figures are until then
  double publish_worst_ms = 0;  // the longest that publishing one frame took
  double publish_late_ms = 0;   // how far behind its schedule the publisher was, at most
  std::uint64_t published = 0;
  std::uint64_t due = 0;   // to the other three together, of those published
  std::uint64_t lost = 0;  // by them
  double gap_ms = 0;       // the longest that one of them was without a frame
};

[[nodiscard]] std::vector<IsolationResults> measure_isolation(const std::string& build_dir,
                                                              bool quick);

}  // namespace framering::bench
