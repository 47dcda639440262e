// SPDX-License-Identifier: Apache-2.0
#include "request_target.h"

#include <gtest/gtest.h>

namespace framering::websocket {
namespace {

TEST(RequestTarget, splits_path_and_queries_and_decodes_both) {
  const auto target =
      parse_request_target("/api/stream/h264/direct?flow=8&stream=hdmi%2Fh264&a+b=c%20d");
  ASSERT_TRUE(target);
  EXPECT_EQ(target->path, "/api/stream/h264/direct");
  ASSERT_NE(target->query("flow"), nullptr);
  EXPECT_EQ(*target->query("flow"), "8");
  EXPECT_EQ(*target->query("stream"), "hdmi/h264");
  EXPECT_EQ(*target->query("a b"), "c d");
  EXPECT_EQ(target->query("none"), nullptr);
}

TEST(RequestTarget, the_first_of_two_equal_keys_counts) {
  const auto target = parse_request_target("/?a=1&a=2");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target->query("a"), "1");
}

TEST(RequestTarget, takes_empty_and_missing_values) {
  const auto target = parse_request_target("/p?a&b=&&=c&d==e");
  ASSERT_TRUE(target);
  EXPECT_EQ(*target->query("a"), "");
  EXPECT_EQ(*target->query("b"), "");
  EXPECT_EQ(*target->query("d"), "=e");
  EXPECT_TRUE(parse_request_target("/p?"));
}

TEST(RequestTarget, a_plus_in_a_path_is_a_plus) {
  EXPECT_EQ(parse_request_target("/a+b")->path, "/a+b");
}

TEST(RequestTarget, refuses_what_is_no_absolute_path) {
  EXPECT_FALSE(parse_request_target(""));
  EXPECT_FALSE(parse_request_target("*"));
  EXPECT_FALSE(parse_request_target("http://other/"));
}

TEST(RequestTarget, refuses_broken_escapes_and_control_characters) {
  for (const char* bad :
       {"/%", "/%4", "/%4x", "/%x4", "/%-1", "/%+1", "/%00", "/%0a", "/%7F", "/?a=%", "/?%zz=1"})
    EXPECT_FALSE(parse_request_target(bad)) << bad;
}

TEST(RequestTarget, numbers_are_whole_and_unsigned) {
  EXPECT_EQ(parse_number("0"), 0u);
  EXPECT_EQ(parse_number("4294967295"), 4294967295u);
  for (const char* bad : {"", "-1", "+1", " 1", "1 ", "0x1", "1.5", "4294967296", "eight"})
    EXPECT_FALSE(parse_number(bad)) << bad;
}

TEST(RequestTarget, a_page_may_only_talk_to_its_own_server) {
  EXPECT_TRUE(same_origin("", "localhost:8080"));
  EXPECT_TRUE(same_origin("http://localhost:8080", "localhost:8080"));
  EXPECT_TRUE(same_origin("https://Camera.lan", "camera.LAN"));
  EXPECT_FALSE(same_origin("http://localhost:8081", "localhost:8080"));
  EXPECT_FALSE(same_origin("http://localhost:8080.evil.example", "localhost:8080"));
  EXPECT_FALSE(same_origin("null", "localhost:8080"));
  EXPECT_FALSE(same_origin("http://", ""));
}

}  // namespace
}  // namespace framering::websocket
