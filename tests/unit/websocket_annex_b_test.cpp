// SPDX-License-Identifier: Apache-2.0
#include "annex_b.h"

#include <gtest/gtest.h>

#include <initializer_list>

namespace framering::websocket {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> made;
  for (const int value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}

TEST(AnnexB, finds_units_after_start_codes_of_three_and_four_bytes) {
  const auto stream = bytes({0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 1, 0x65, 9});
  NalSpan at;
  ASSERT_TRUE(next_nal(stream, 0, at));
  EXPECT_EQ(at.begin, 0u);
  EXPECT_EQ(at.nal, 4u);
  EXPECT_EQ(at.end, 7u);
  ASSERT_TRUE(next_nal(stream, at.end, at));
  EXPECT_EQ(at.nal, 10u);
  EXPECT_EQ(at.end, 12u);
  ASSERT_TRUE(next_nal(stream, at.end, at));
  EXPECT_EQ(at.nal, 16u);
  EXPECT_EQ(at.end, stream.size());
  EXPECT_FALSE(next_nal(stream, at.end, at));
}

TEST(AnnexB, passes_over_start_codes_with_nothing_in_between) {
  const auto stream = bytes({0, 0, 1, 0, 0, 1, 0x67, 5, 0, 0, 1});
  NalSpan at;
  ASSERT_TRUE(next_nal(stream, 0, at));
  EXPECT_EQ(at.nal, 6u);
  EXPECT_EQ(at.end, 8u);
  EXPECT_FALSE(next_nal(stream, at.end, at));
}

TEST(AnnexB, takes_the_parameter_sets_out_of_an_access_unit) {
  const auto unit = bytes({0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 7, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9});
  EXPECT_EQ(parameter_sets_of(unit),
            bytes({0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 7, 0, 0, 0, 1, 0x68, 3}));
  EXPECT_TRUE(parameter_sets_of(bytes({0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 9})).empty());
  EXPECT_TRUE(parameter_sets_of(bytes({0x67, 0x42})).empty());
  EXPECT_TRUE(parameter_sets_of({}).empty());
}

TEST(AnnexB, names_h264_by_its_profile_and_level) {
  EXPECT_EQ(codec_string(bytes({0, 0, 0, 1, 0x67, 0x42, 0xC0, 0x1E, 7})), "avc1.42c01e");
  EXPECT_EQ(codec_string(bytes({0, 0, 0, 1, 0x67, 0x42})), "");
}

}  // namespace
}  // namespace framering::websocket
