// SPDX-License-Identifier: Apache-2.0
#include "message_head.h"

#include <gtest/gtest.h>

#include <vector>

namespace framering::websocket {
namespace {

std::vector<unsigned> head(MessageKind kind, std::uint64_t size) {
  const MessageHead made = message_head(kind, size);
  std::vector<unsigned> used;
  for (std::size_t at = 0; at < made.size; ++at)
    used.push_back(std::to_integer<unsigned>(made.bytes.at(at)));
  return used;
}

using Bytes = std::vector<unsigned>;

TEST(MessageHead, a_length_up_to_125_is_the_second_byte) {
  EXPECT_EQ(head(MessageKind::text, 0), (Bytes{0x81, 0}));
  EXPECT_EQ(head(MessageKind::binary, 1), (Bytes{0x82, 1}));
  EXPECT_EQ(head(MessageKind::binary, 125), (Bytes{0x82, 125}));
}

TEST(MessageHead, a_length_of_16_bits_follows_big_endian) {
  EXPECT_EQ(head(MessageKind::binary, 126), (Bytes{0x82, 126, 0, 126}));
  EXPECT_EQ(head(MessageKind::text, 0x1234), (Bytes{0x81, 126, 0x12, 0x34}));
  EXPECT_EQ(head(MessageKind::binary, 0xffff), (Bytes{0x82, 126, 0xff, 0xff}));
}

TEST(MessageHead, a_longer_one_follows_in_64_bits) {
  EXPECT_EQ(head(MessageKind::binary, 0x10000), (Bytes{0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0}));
  EXPECT_EQ(head(MessageKind::binary, 0x0102030405060708),
            (Bytes{0x82, 127, 1, 2, 3, 4, 5, 6, 7, 8}));
}

}  // namespace
}  // namespace framering::websocket
