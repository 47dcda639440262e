// SPDX-License-Identifier: Apache-2.0
#include "line_speed.h"

#include <gtest/gtest.h>

namespace framering::websocket {
namespace {

constexpr std::uint64_t kMs = 1'000'000;
constexpr std::uint64_t kStart = 5'000 * kMs;

TEST(LineSpeed, is_what_arrived_by_the_time_in_which_something_was_on_its_way) {
  LineSpeed line;
  line.busy(kStart);
  line.busy(kStart + 100 * kMs);  // the second frame on its way
  line.arrived(25'000);
  line.arrived(25'000);
  line.idle(kStart + 400 * kMs);
  line.idle(kStart + 450 * kMs);
  EXPECT_EQ(line.take_kbps(kStart + 1000 * kMs), 1000u);
  EXPECT_EQ(line.take_kbps(kStart + 2000 * kMs), 0u) << "it was asked for already";
}

TEST(LineSpeed, is_not_told_from_bytes_that_went_into_buffers) {
  LineSpeed line;
  line.busy(kStart);
  line.arrived(1'000'000);
  line.idle(kStart + kMs);
  EXPECT_EQ(line.take_kbps(kStart + 1000 * kMs), 0u);
}

TEST(LineSpeed, of_a_line_that_takes_seconds_for_one_frame_is_told_when_it_has_arrived) {
  LineSpeed line;
  line.busy(kStart);
  EXPECT_EQ(line.take_kbps(kStart + 1000 * kMs), 0u);
  EXPECT_EQ(line.take_kbps(kStart + 2000 * kMs), 0u);
  line.arrived(50'000);
  EXPECT_EQ(line.take_kbps(kStart + 4000 * kMs), 100u);
  line.arrived(50'000);
  EXPECT_EQ(line.take_kbps(kStart + 8000 * kMs), 100u);
}

TEST(LineSpeed, forgets_what_was_before_the_viewer_fell_behind) {
  LineSpeed line;
  line.busy(kStart);
  line.arrived(1'000'000);
  line.forget(kStart + 1000 * kMs);
  line.arrived(25'000);
  EXPECT_EQ(line.take_kbps(kStart + 2000 * kMs), 200u);
}

}  // namespace
}  // namespace framering::websocket
