// SPDX-License-Identifier: Apache-2.0
#include "backlog.h"

#include <algorithm>

namespace framering::websocket {

namespace {

// Who has more waiting is worse off; of those with equally much, who takes less.
bool better_off(const ViewerLoad& a, const ViewerLoad& b) noexcept {
  if (a.frames != b.frames) return a.frames < b.frames;
  const auto pace = [](const ViewerLoad& load) { return load.kbps != 0 ? load.kbps : UINT32_MAX; };
  return pace(a) > pace(b);
}

}  // namespace

ViewerLoad load_that_counts(std::vector<ViewerLoad> loads, BacklogPolicy policy) {
  if (loads.empty()) return {};
  std::sort(loads.begin(), loads.end(), better_off);
  switch (policy) {
    case BacklogPolicy::worst:
      return loads.back();
    case BacklogPolicy::median:
      return loads[(loads.size() - 1) / 2];
    case BacklogPolicy::best:
      break;
  }
  return loads.front();
}

std::optional<BacklogPolicy> parse_backlog_policy(std::string_view word) noexcept {
  if (word == "worst") return BacklogPolicy::worst;
  if (word == "median") return BacklogPolicy::median;
  if (word == "best") return BacklogPolicy::best;
  return std::nullopt;
}

}  // namespace framering::websocket
