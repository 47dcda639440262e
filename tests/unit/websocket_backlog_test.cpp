// SPDX-License-Identifier: Apache-2.0
#include "backlog.h"

#include <gtest/gtest.h>

namespace framering::websocket {
namespace {

const std::vector<ViewerLoad> kLoads = {{.frames = 0, .bytes = 0, .kbps = 0},
                                        {.frames = 40, .bytes = 900, .kbps = 700},
                                        {.frames = 5, .bytes = 100, .kbps = 2000}};

TEST(Backlog, the_worst_the_median_or_the_best_viewer_counts) {
  EXPECT_EQ(load_that_counts(kLoads, BacklogPolicy::worst).kbps, 700u);
  EXPECT_EQ(load_that_counts(kLoads, BacklogPolicy::median).kbps, 2000u);
  EXPECT_EQ(load_that_counts(kLoads, BacklogPolicy::best).frames, 0u);
}

TEST(Backlog, of_two_viewers_the_median_is_the_better_one) {
  EXPECT_EQ(load_that_counts({kLoads[0], kLoads[1]}, BacklogPolicy::median).frames, 0u);
}

TEST(Backlog, of_viewers_equally_far_behind_the_slower_line_is_worse) {
  const std::vector<ViewerLoad> loads = {{.frames = 5, .bytes = 0, .kbps = 300},
                                         {.frames = 5, .bytes = 0, .kbps = 0},
                                         {.frames = 5, .bytes = 0, .kbps = 900}};
  EXPECT_EQ(load_that_counts(loads, BacklogPolicy::worst).kbps, 300u);
  EXPECT_EQ(load_that_counts(loads, BacklogPolicy::best).kbps, 0u);
}

TEST(Backlog, nobody_has_none) {
  EXPECT_EQ(load_that_counts({}, BacklogPolicy::worst).frames, 0u);
}

TEST(Backlog, policies_have_names) {
  EXPECT_EQ(parse_backlog_policy("median"), BacklogPolicy::median);
  EXPECT_FALSE(parse_backlog_policy("average"));
}

}  // namespace
}  // namespace framering::websocket
