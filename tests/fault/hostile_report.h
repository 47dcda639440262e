// SPDX-License-Identifier: Apache-2.0
//
// The table of what the honest ones noticed.
#pragma once

#include <string>
#include <vector>

#include "hostile_stage.h"

namespace framering::test {

struct Quantiles {
  std::size_t count = 0;
  double p50_us = 0, p99_us = 0, max_us = 0;
};
[[nodiscard]] Quantiles quantiles(std::vector<std::uint32_t> ns);

// One line of the table (Markdown).
[[nodiscard]] std::string table_head();
[[nodiscard]] std::string table_line(const std::string& name, const Attack& attack,
                                     const Scoreboard& board, std::size_t readers,
                                     const StreamStat& stat);
// What the machine is, and what the columns mean.
[[nodiscard]] std::string table_notes();

}  // namespace framering::test
