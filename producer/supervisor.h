// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

namespace framering {

// For machines without systemd: forks, and starts the child again, with growing pauses, whenever it
// crashed or failed. Returns nothing in the child, which goes on as if nothing were; in the parent,
// which only waits, the exit code to end with. Call it before there is any thread. `reloads`: SIGHUP is
// for the child; else it ends both.
[[nodiscard]] std::optional<int> supervise(bool reloads);

}  // namespace framering
