// SPDX-License-Identifier: Apache-2.0
#include "direct_message.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

namespace framering::websocket {
namespace {

std::vector<std::byte> bytes(std::initializer_list<int> values) {
  std::vector<std::byte> made;
  for (const int value : values) made.push_back(static_cast<std::byte>(value));
  return made;
}

std::vector<std::byte> used(const FrameHeader& header) {
  return {header.bytes.begin(), header.bytes.begin() + static_cast<std::ptrdiff_t>(header.size)};
}

using Kind = ClientMessage::Kind;

TEST(DirectMessage, header_is_the_key_mark_and_the_little_endian_time_stamp) {
  EncodedFrame frame;
  frame.key = true;
  frame.timestamp_us = 0x0102030405060708;
  EXPECT_EQ(used(direct_header(frame)), bytes({1, 8, 7, 6, 5, 4, 3, 2, 1}));
  frame.key = false;
  EXPECT_EQ(direct_header(frame).bytes[0], std::byte{0});
}

TEST(DirectMessage, header_of_a_fragment_goes_on_with_its_media_time) {
  EncodedFrame frame;
  frame.key = true;
  frame.timestamp_us = 5;
  frame.media_time_us = 0x0102030405060708;
  EXPECT_EQ(used(mp4_header(frame)), bytes({1, 5, 0, 0, 0, 0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(used(mp4_init_header()), bytes({2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}));
}

TEST(DirectMessage, reads_an_acknowledgement) {
  const ClientMessage message = parse_client_message(bytes({2, 0x10, 0x27, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(message.kind, Kind::acknowledge);
  EXPECT_EQ(message.number, 10000u);
}

TEST(DirectMessage, reads_a_resync) {
  EXPECT_EQ(parse_client_message(bytes({3})).kind, Kind::resync);
}

TEST(DirectMessage, reads_pause_resume_and_the_question_for_the_time) {
  EXPECT_EQ(parse_client_message(bytes({4})).kind, Kind::pause);
  EXPECT_EQ(parse_client_message(bytes({5})).kind, Kind::resume);
  const ClientMessage clock = parse_client_message(bytes({6, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(clock.kind, Kind::clock);
  EXPECT_EQ(clock.number, 257u);
}

TEST(DirectMessage, everything_else_is_unknown) {
  EXPECT_EQ(parse_client_message({}).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2, 1, 1, 1, 1, 1, 1, 1})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2, 1, 1, 1, 1, 1, 1, 1, 1, 1})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({3, 0})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({4, 0, 0, 0, 0, 0, 0, 0, 0})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({6})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(std::vector<std::byte>(64)).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({0})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({255, 0, 0, 0, 0, 0, 0, 0, 0})).kind, Kind::unknown);
}

}  // namespace
}  // namespace framering::websocket
