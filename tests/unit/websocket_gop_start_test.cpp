// SPDX-License-Identifier: Apache-2.0
#include "gop_start.h"

#include <gtest/gtest.h>

namespace framering::websocket {
namespace {

SharedFrame frame(std::uint64_t number, bool key = false, std::size_t bytes = 10,
                  std::uint64_t generation = 1) {
  auto made = std::make_shared<EncodedFrame>();
  made->generation = generation;
  made->number = number;
  made->key = key;
  made->bytes.resize(bytes);
  return made;
}

TEST(GopStart, holds_the_newest_key_frame_and_all_that_followed) {
  GopStart gop;
  gop.add(frame(1, true));
  gop.add(frame(2));
  gop.add(frame(3, true));
  gop.add(frame(4));
  gop.add(frame(5));
  ASSERT_EQ(gop.frames().size(), 3u);
  EXPECT_EQ(gop.frames().front()->number, 3u);
  EXPECT_EQ(gop.frames().back()->number, 5u);
}

TEST(GopStart, is_empty_before_the_first_key_frame) {
  GopStart gop;
  gop.add(frame(7));
  EXPECT_TRUE(gop.frames().empty());
}

TEST(GopStart, a_gap_leaves_nothing_until_the_next_key_frame) {
  GopStart gop;
  gop.add(frame(1, true));
  gop.add(frame(3));
  EXPECT_TRUE(gop.frames().empty());
  gop.add(frame(4));
  EXPECT_TRUE(gop.frames().empty());
  gop.add(frame(5, true));
  EXPECT_EQ(gop.frames().size(), 1u);
}

TEST(GopStart, frames_of_another_generation_do_not_follow) {
  GopStart gop;
  gop.add(frame(1, true, 10, 1));
  gop.add(frame(2, false, 10, 2));
  EXPECT_TRUE(gop.frames().empty());
}

TEST(GopStart, keeps_no_more_bytes_than_its_limit) {
  GopStart gop;
  gop.add(frame(1, true, GopStart::kMaxBytes / 2));
  gop.add(frame(2, false, GopStart::kMaxBytes / 2));
  EXPECT_EQ(gop.frames().size(), 2u);
  gop.add(frame(3, false, 1));
  EXPECT_TRUE(gop.frames().empty());
}

TEST(GopStart, keeps_no_more_frames_than_its_limit) {
  GopStart gop;
  for (std::uint64_t n = 1; n <= GopStart::kMaxFrames; ++n) gop.add(frame(n, n == 1, 1));
  EXPECT_EQ(gop.frames().size(), GopStart::kMaxFrames);
  gop.add(frame(GopStart::kMaxFrames + 1));
  EXPECT_TRUE(gop.frames().empty());
}

}  // namespace
}  // namespace framering::websocket
