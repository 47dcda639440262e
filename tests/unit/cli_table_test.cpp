// SPDX-License-Identifier: Apache-2.0
#include "table.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace framering::cli {

namespace {

using Lines = std::vector<std::string>;

Table sample() {
  Table table({{"NAME"}, {"EXTRA", Align::left, 2}, {"N", Align::right}, {"MORE", Align::left, 1}});
  table.add({"a", "xx", "1", "m"});
  table.add({"long-name", "y", "123", "n"});
  return table;
}

}  // namespace

TEST(Table, columns_are_as_wide_as_their_widest_cell) {
  EXPECT_EQ(sample().lines(), (Lines{"NAME       EXTRA    N  MORE",  //
                                     "a          xx       1  m",     //
                                     "long-name  y      123  n"}));
}

TEST(Table, the_column_of_the_highest_rank_gives_way_first) {
  EXPECT_EQ(sample().lines(21), (Lines{"NAME         N  MORE",  //
                                       "a            1  m",     //
                                       "long-name  123  n"}));
  EXPECT_EQ(sample().lines(14), (Lines{"NAME         N",  //
                                       "a            1",  //
                                       "long-name  123"}));
}

TEST(Table, what_still_does_not_fit_is_cut) {
  for (const std::string& line : sample().lines(10)) EXPECT_LE(line.size(), 10u);
}

TEST(Table, text_of_other_processes_cannot_move_the_cursor) {
  Table table({{"NAME"}});
  table.add({"\x1b[2Jgone\n\xc3\xa9\x9b"});
  EXPECT_EQ(table.lines()[1], "?[2Jgone????");
}

TEST(Table, numbers_carry_their_units) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(4u << 20), "4.0 MiB");
  EXPECT_EQ(bytes_text(1024 * 1024 - 1), "1.0 MiB");
  EXPECT_EQ(bytes_text(UINT64_MAX), "16777216 TiB");
  EXPECT_EQ(bitrate_text(0), "0 bit/s");
  EXPECT_EQ(bitrate_text(999'400), "999 kbit/s");
  EXPECT_EQ(bitrate_text(3'200'000), "3.2 Mbit/s");
  EXPECT_EQ(bitrate_text(2e9), "2.00 Gbit/s");
  EXPECT_EQ(seconds_text(0.96), "1.0 s");
  EXPECT_EQ(seconds_text(180), "3 min");
  EXPECT_EQ(seconds_text(9000), "2.5 h");
  EXPECT_EQ(rate_text(29.97), "30.0");
  EXPECT_EQ(rate_text(250'000), "250000");
  EXPECT_EQ(size_text(1280, 720), "1280x720");
  EXPECT_EQ(size_text(0, 0), "-");
}

}  // namespace framering::cli
