// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "services.h"

namespace framering::websocket {

// Prometheus text format 0.0.4, for GET /metrics.
[[nodiscard]] std::string metrics_text(const Services& services);

}  // namespace framering::websocket
