// SPDX-License-Identifier: Apache-2.0
#include "fragmenter.h"

#include <gtest/gtest.h>

#include <cstring>
#include <initializer_list>
#include <string>

#include "ring_layout.h"

namespace framering::websocket {
namespace {

// Baseline, level 3.0, 640x360: SPS and PPS as x264 writes them.
const std::initializer_list<int> kSets = {0,    0,    0,    1,    0x67, 0x42, 0xC0, 0x1E, 0xDA,
                                          0x02, 0x80, 0xBF, 0xE5, 0x84, 0x00, 0x00, 0x03, 0x00,
                                          0x04, 0x00, 0x00, 0x03, 0x00, 0xF0, 0x3C, 0x58, 0xBA,
                                          0x80, 0,    0,    0,    1,    0x68, 0xCE, 0x3C, 0x80};

EncodedFrame frame(std::uint64_t number, bool key, std::size_t slice_bytes = 50) {
  EncodedFrame made;
  made.number = number;
  made.timestamp_us = 1'000'000 + 33'333 * number;
  made.codec = kCodecH264;
  made.width = 640;
  made.height = 360;
  made.key = key;
  if (key) {
    for (const int value : kSets) made.bytes.push_back(static_cast<std::byte>(value));
  }
  for (const int value : {0, 0, 0, 1, key ? 0x65 : 0x41})
    made.bytes.push_back(static_cast<std::byte>(value));
  made.bytes.resize(made.bytes.size() + slice_bytes, std::byte{0xAB});
  return made;
}

std::uint64_t number_at(const std::vector<std::byte>& bytes, std::size_t at, int size) {
  std::uint64_t value = 0;
  for (int i = 0; i < size; ++i)
    value = value << 8 | std::to_integer<unsigned>(bytes.at(at + static_cast<std::size_t>(i)));
  return value;
}

// The names of the boxes at the top.
std::string boxes(const std::vector<std::byte>& bytes) {
  std::string names;
  for (std::size_t at = 0; at < bytes.size(); at += number_at(bytes, at, 4)) {
    for (std::size_t i = 4; i < 8; ++i) names += std::to_integer<char>(bytes.at(at + i));
    names += ' ';
    if (number_at(bytes, at, 4) < 8) return names + "broken";
  }
  return names;
}

std::uint64_t decode_time(const std::vector<std::byte>& bytes) {
  for (std::size_t at = 0; at + 16 < bytes.size(); ++at) {
    if (std::memcmp(bytes.data() + at, "tfdt", 4) == 0) return number_at(bytes, at + 8, 8);
  }
  ADD_FAILURE() << "no tfdt";
  return 0;
}

TEST(Fragmenter, gives_one_fragment_for_each_frame_at_once) {
  Fragmenter fragmenter;
  for (std::uint64_t n = 1; n <= 10; ++n) {
    const SharedFrame fragment = fragmenter.fragment(frame(n, n == 1));
    ASSERT_NE(fragment, nullptr) << n;
    EXPECT_EQ(boxes(fragment->bytes), "moof mdat ");
    EXPECT_EQ(fragment->key, n == 1);
    EXPECT_EQ(fragment->number, n);
    EXPECT_EQ(fragment->timestamp_us, 1'000'000 + 33'333 * n);
    EXPECT_EQ(decode_time(fragment->bytes), fragment->media_time_us);
    EXPECT_EQ(fragment->media_time_us, 33'333 * (n - 1));
  }
}

TEST(Fragmenter, begins_with_a_key_frame_and_says_what_it_is) {
  Fragmenter fragmenter;
  EXPECT_EQ(fragmenter.fragment(frame(1, false)), nullptr);
  const SharedFrame fragment = fragmenter.fragment(frame(2, true));
  ASSERT_NE(fragment, nullptr);
  ASSERT_NE(fragment->init, nullptr);
  EXPECT_EQ(fragment->init->codec, "avc1.42c01e");
  EXPECT_EQ(boxes(fragment->init->bytes), "ftyp moov ");
}

TEST(Fragmenter, keeps_the_init_segment_until_the_parameter_sets_change) {
  Fragmenter fragmenter;
  const SharedFrame first = fragmenter.fragment(frame(1, true));
  const SharedFrame second = fragmenter.fragment(frame(2, true));
  ASSERT_TRUE(first && second);
  EXPECT_EQ(first->init, second->init);
  EncodedFrame other = frame(3, true);
  other.bytes.at(7) = std::byte{0x1F};  // level 3.1
  const SharedFrame third = fragmenter.fragment(other);
  ASSERT_NE(third, nullptr);
  EXPECT_NE(third->init, second->init);
  EXPECT_EQ(third->init->codec, "avc1.42c01f");
  EXPECT_GT(third->media_time_us, second->media_time_us);
}

TEST(Fragmenter, a_key_frame_without_parameter_sets_stops_it_until_the_next) {
  Fragmenter fragmenter;
  ASSERT_NE(fragmenter.fragment(frame(1, true)), nullptr);
  EncodedFrame bare = frame(2, false);
  bare.key = true;
  EXPECT_EQ(fragmenter.fragment(bare), nullptr);
  EXPECT_EQ(fragmenter.fragment(frame(3, false)), nullptr);
  EXPECT_NE(fragmenter.fragment(frame(4, true)), nullptr);
}

TEST(Fragmenter, survives_what_is_no_access_unit) {
  Fragmenter fragmenter;
  for (std::uint64_t n = 1; n <= 50; ++n) {
    EncodedFrame broken = frame(n, n % 5 == 0, n * 7);
    for (std::size_t at = n % 7; at < broken.bytes.size(); at += 3)
      broken.bytes[at] = static_cast<std::byte>(at * n);
    static_cast<void>(fragmenter.fragment(broken));
  }
  EncodedFrame empty = frame(60, false);
  empty.bytes.clear();
  EXPECT_EQ(fragmenter.fragment(empty), nullptr);
  EXPECT_NE(fragmenter.fragment(frame(61, true)), nullptr);
}

TEST(MediaClock, follows_even_and_uneven_frames) {
  MediaClock clock;
  const std::uint64_t start = clock.tick(1'000'000);
  std::uint64_t at = 1'000'000;
  for (int n = 0; n < 200; ++n) static_cast<void>(clock.tick(at += n % 2 == 0 ? 10'000 : 23'000));
  const std::uint64_t last = clock.tick(at += 16'000);
  EXPECT_EQ(last - start, at - 1'000'000);
}

TEST(MediaClock, leaves_out_what_would_be_a_gap_to_a_source_buffer) {
  MediaClock clock;
  std::uint64_t at = 1'000'000, last = 0;
  for (int n = 0; n < 100; ++n) last = clock.tick(at += 16'000);
  const std::uint64_t lasted = clock.duration_us();
  const std::uint64_t after = clock.tick(at += 5'000'000);
  EXPECT_LE(after - last, 2 * lasted);
  EXPECT_GT(after, last);
}

TEST(MediaClock, grows_though_time_stamps_stand_still) {
  MediaClock clock;
  const std::uint64_t first = clock.tick(5);
  EXPECT_GT(clock.tick(5), first);
}

}  // namespace
}  // namespace framering::websocket
