// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace framering::cli {

// From here on SIGINT and SIGTERM only set a flag and interrupt what waits (EINTR), and SIGPIPE is
// ignored (write(2) gives EPIPE).
void catch_stop_signals();
[[nodiscard]] bool stop_requested() noexcept;

}  // namespace framering::cli
