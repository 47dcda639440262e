// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>

#include "broker.h"

namespace framering {

// What the command line says. Empty: everything was said already (--help, --version).
// Throws std::invalid_argument with a sentence that names the option.
[[nodiscard]] std::optional<BrokerOptions> parse_options(int argc, char** argv);

}  // namespace framering
