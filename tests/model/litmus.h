// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace framering::model {

// The checker itself is checked: the textbook's small programs, with every outcome that C++20
// allows and none that it forbids. Returns how many of them are wrong, having said which.
[[nodiscard]] int check_litmus();

}  // namespace framering::model
