// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace framering {

// Says that a program is ready: one line on stderr ("framering-broker: listening in
// /run/framering"), and READY=1 to the service manager when $NOTIFY_SOCKET names one
// (sd_notify(3)).
void announce_ready(const std::string& program, const std::string& sentence) noexcept;

// One datagram of sd_notify(3) assignments, such as "STOPPING=1" or "WATCHDOG=1". Nobody listens:
// nothing.
void notify_service_manager(const std::string& assignments) noexcept;

}  // namespace framering
