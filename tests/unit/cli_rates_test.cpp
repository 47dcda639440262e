// SPDX-License-Identifier: Apache-2.0
#include "rates.h"

#include <gtest/gtest.h>

namespace framering::cli {

namespace {

StreamStat stat_at(double seconds, std::uint64_t head, std::uint64_t newest_key) {
  StreamStat stat;
  stat.taken_ns = static_cast<std::uint64_t>(seconds * 1e9);
  stat.stream.name = "hdmi/h264";
  stat.stream.generation = 42;
  stat.stream.head = head;
  stat.stream.newest_key = newest_key;
  stat.stream.bytes_published = head * 1000;
  ReaderInfo reader;
  reader.id = 1;
  reader.delivered = head / 2;
  reader.read_to = head - 3;
  stat.readers = {reader};
  return stat;
}

}  // namespace

TEST(Rates, are_zero_in_the_first_sample) {
  Rates rates;
  const auto sample = rates.sample({stat_at(10, 300, 271)});
  ASSERT_EQ(sample.size(), 1u);
  EXPECT_EQ(sample[0].fps, 0);
  EXPECT_EQ(sample[0].bits_per_second, 0);
  EXPECT_EQ(sample[0].key_interval, 0u);
  EXPECT_EQ(sample[0].readers.at(0).lag, 3u);
}

TEST(Rates, are_those_between_two_samples) {
  Rates rates;
  (void)rates.sample({stat_at(10, 300, 271)});
  const auto sample = rates.sample({stat_at(12, 360, 331)});
  EXPECT_DOUBLE_EQ(sample[0].fps, 30);
  EXPECT_DOUBLE_EQ(sample[0].bits_per_second, 8 * 30'000);
  EXPECT_DOUBLE_EQ(sample[0].readers.at(0).fps, 15);
}

TEST(Rates, looks_between_samples_find_the_key_interval) {
  Rates rates;
  (void)rates.sample({stat_at(10, 300, 271)});
  rates.look({stat_at(10.5, 315, 301).stream});
  const auto sample = rates.sample({stat_at(11, 332, 331)});
  EXPECT_EQ(sample[0].key_interval, 30u);
}

TEST(Rates, a_key_frame_at_every_head_is_an_interval_of_one) {
  Rates rates;
  (void)rates.sample({stat_at(10, 300, 300)});
  EXPECT_EQ(rates.sample({stat_at(11, 330, 330)})[0].key_interval, 1u);
}

TEST(Rates, begin_anew_with_a_new_generation) {
  Rates rates;
  (void)rates.sample({stat_at(10, 300, 271)});
  StreamStat restarted = stat_at(11, 5000, 5000);
  restarted.stream.generation = 43;
  EXPECT_EQ(rates.sample({restarted})[0].fps, 0);
}

TEST(Rates, counters_that_run_backwards_give_zero) {
  Rates rates;
  (void)rates.sample({stat_at(10, 300, 271)});
  const auto sample = rates.sample({stat_at(11, 200, 171)});
  EXPECT_EQ(sample[0].fps, 0);
  EXPECT_EQ(sample[0].bits_per_second, 0);
  EXPECT_EQ(sample[0].readers.at(0).fps, 0);
}

}  // namespace framering::cli
