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

using Kind = ClientMessage::Kind;

TEST(DirectMessage, header_is_the_key_mark_and_the_little_endian_time_stamp) {
  EncodedFrame frame;
  frame.key = true;
  frame.timestamp_us = 0x0102030405060708;
  const auto key = direct_header(frame);
  EXPECT_EQ(std::vector<std::byte>(key.begin(), key.end()), bytes({1, 8, 7, 6, 5, 4, 3, 2, 1}));
  frame.key = false;
  EXPECT_EQ(direct_header(frame)[0], std::byte{0});
}

TEST(DirectMessage, reads_an_acknowledgement) {
  const ClientMessage message = parse_client_message(bytes({2, 0x10, 0x27, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(message.kind, Kind::acknowledge);
  EXPECT_EQ(message.timestamp_us, 10000u);
}

TEST(DirectMessage, reads_a_resync) {
  EXPECT_EQ(parse_client_message(bytes({3})).kind, Kind::resync);
}

TEST(DirectMessage, everything_else_is_unknown) {
  EXPECT_EQ(parse_client_message({}).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2, 1, 1, 1, 1, 1, 1, 1})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({2, 1, 1, 1, 1, 1, 1, 1, 1, 1})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({3, 0})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({0})).kind, Kind::unknown);
  EXPECT_EQ(parse_client_message(bytes({255, 0, 0, 0, 0, 0, 0, 0, 0})).kind, Kind::unknown);
}

}  // namespace
}  // namespace framering::websocket
