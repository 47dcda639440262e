// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "probe.h"
#include "watcher.h"

namespace framering::exporter {

// Prometheus's text format. The names are listed in README.md.
[[nodiscard]] std::string metrics_page(const Look& look,
                                       const std::vector<std::unique_ptr<Probe>>& probes);

}  // namespace framering::exporter
