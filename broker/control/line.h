// SPDX-License-Identifier: Apache-2.0
//
// Hearing a line (page_layout.h): a Unix socket whose other end is in a neighbour's hands.
#pragma once

#include <cstdint>

namespace framering {

enum class Heard : std::uint8_t {
  nothing,
  nudge,
  end,  // hung up, or broken: let go of it, by a Disposer, since anything may be queued in it
};

// Takes what was said. Never waits, whatever was said, and takes no more than a bounded number of
// bytes: what is left makes the line readable again.
[[nodiscard]] Heard hear_line(int line) noexcept;

}  // namespace framering
