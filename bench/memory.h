// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "report.h"

namespace framering::bench {

// Runs the real broker and the real producer (pattern) of a build with so many readers, and looks
// at their private memory. Throws std::runtime_error when the readers do not get attached.
[[nodiscard]] MemoryFigures measure_memory(const std::string& build_dir, std::uint32_t readers);

// The broker of a build, with room for every reader of a benchmark; waits for its sockets. What it
// prints goes to `log`, if there is one.
[[nodiscard]] Child start_broker(const std::string& build_dir, const std::string& socket_dir,
                                 const std::string& log = "");

}  // namespace framering::bench
