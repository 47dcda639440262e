// SPDX-License-Identifier: Apache-2.0
//
// The small worlds in which the real code is explored: a ring, its readers, and what each thread
// does there.
#pragma once

#include <functional>
#include <vector>

namespace framering::model {

struct SmallWorld {
  const char* name;
  const char* says;  // what is explored, for people
  std::function<void()> set_up;
  bool long_only = false;
};

[[nodiscard]] const std::vector<SmallWorld>& worlds();

}  // namespace framering::model
