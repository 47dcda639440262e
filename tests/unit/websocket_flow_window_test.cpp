// SPDX-License-Identifier: Apache-2.0
#include "flow_window.h"

#include <gtest/gtest.h>

#include <vector>

namespace framering::websocket {
namespace {

SharedFrame frame(std::uint64_t number, bool key = false, std::size_t bytes = 100) {
  auto made = std::make_shared<EncodedFrame>();
  made->number = number;
  made->timestamp_us = 1000 * number;
  made->key = key;
  made->bytes.resize(bytes);
  return made;
}

std::vector<std::uint64_t> take_all(FlowWindow& flow) {
  std::vector<std::uint64_t> numbers;
  while (const SharedFrame next = flow.next()) numbers.push_back(next->number);
  return numbers;
}

using Numbers = std::vector<std::uint64_t>;

TEST(FlowWindow, begins_with_a_key_frame_and_counts_what_came_before_it) {
  FlowWindow flow(8);
  flow.begin({});
  flow.offer(frame(1));
  flow.offer(frame(2));
  EXPECT_EQ(flow.next(), nullptr);
  flow.offer(frame(3, true));
  flow.offer(frame(4));
  EXPECT_EQ(take_all(flow), (Numbers{3, 4}));
  EXPECT_EQ(flow.dropped(), 2u);
  EXPECT_EQ(flow.sent(), 2u);
}

TEST(FlowWindow, clamps_the_window_to_eight_frames) {
  FlowWindow flow(1000);
  for (std::uint64_t n = 1; n <= 8; ++n) flow.offer(frame(n, n == 1));
  EXPECT_EQ(take_all(flow).size(), 8u);
  flow.offer(frame(9));
  EXPECT_EQ(flow.next(), nullptr) << "the ninth is over the window";
  EXPECT_EQ(flow.dropped(), 1u);
}

TEST(FlowWindow, drops_its_queue_when_queued_and_in_flight_reach_the_window) {
  FlowWindow flow(4);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  ASSERT_EQ(take_all(flow), (Numbers{1, 2}));
  flow.offer(frame(3));
  flow.offer(frame(4));  // 2 in flight, 2 queued
  flow.offer(frame(5));
  EXPECT_EQ(flow.queued(), 0u);
  EXPECT_EQ(flow.dropped(), 3u);
  flow.acknowledge(2000);
  flow.offer(frame(6));
  EXPECT_EQ(flow.next(), nullptr) << "frames between are undecodable";
  flow.offer(frame(7, true));
  EXPECT_EQ(take_all(flow), (Numbers{7}));
}

TEST(FlowWindow, a_key_frame_that_fills_the_window_replaces_the_queue) {
  FlowWindow flow(3);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  flow.offer(frame(3));
  flow.offer(frame(4, true));
  EXPECT_EQ(take_all(flow), (Numbers{4}));
}

TEST(FlowWindow, a_key_frame_is_dropped_while_everything_is_in_flight) {
  FlowWindow flow(2);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  ASSERT_EQ(take_all(flow).size(), 2u);
  flow.offer(frame(3, true));
  flow.acknowledge(2000);
  flow.offer(frame(4));
  EXPECT_EQ(flow.next(), nullptr);
  flow.offer(frame(5, true));
  EXPECT_EQ(take_all(flow), (Numbers{5}));
}

TEST(FlowWindow, acknowledgements_are_cumulative_and_may_repeat_or_lie) {
  FlowWindow flow(3);
  for (std::uint64_t n = 1; n <= 3; ++n) flow.offer(frame(n, n == 1));
  ASSERT_EQ(take_all(flow).size(), 3u);
  flow.acknowledge(2000);
  EXPECT_EQ(flow.in_flight(), 1u);
  flow.acknowledge(1000);
  EXPECT_EQ(flow.in_flight(), 1u);
  flow.acknowledge(~std::uint64_t{0});
  flow.acknowledge(~std::uint64_t{0});
  EXPECT_EQ(flow.in_flight(), 0u);
}

TEST(FlowWindow, resync_drops_until_the_next_key_frame) {
  FlowWindow flow(8);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  flow.resync();
  flow.offer(frame(3));
  EXPECT_EQ(flow.next(), nullptr);
  flow.offer(frame(4, true));
  EXPECT_EQ(take_all(flow), (Numbers{4}));
}

TEST(FlowWindow, without_a_window_holds_at_most_eight_frames) {
  FlowWindow flow(0);
  for (std::uint64_t n = 1; n <= 8; ++n) flow.offer(frame(n, n == 1));
  EXPECT_EQ(flow.queued(), 8u);
  flow.offer(frame(9));
  EXPECT_EQ(flow.queued(), 0u);
  EXPECT_EQ(flow.in_flight(), 0u);
}

TEST(FlowWindow, without_a_window_stops_queueing_at_two_mebibytes) {
  FlowWindow flow(0);
  flow.offer(frame(1, true, std::size_t{1} << 20));
  flow.offer(frame(2, false, std::size_t{1} << 20));
  EXPECT_EQ(flow.queued(), 2u);
  flow.offer(frame(3));
  EXPECT_EQ(flow.queued(), 0u);
}

TEST(FlowWindow, a_newcomer_gets_a_long_group_of_pictures_as_fast_as_it_acknowledges) {
  std::vector<SharedFrame> gop;
  for (std::uint64_t n = 1; n <= 25; ++n) gop.push_back(frame(n, n == 1));
  FlowWindow flow(8);
  flow.begin(gop);
  Numbers seen = take_all(flow);
  EXPECT_EQ(seen.size(), 8u);
  std::uint64_t newest = 25;
  while (newest < 30 || seen.back() < newest) {
    if (newest < 30) flow.offer(frame(++newest));  // the stream goes on meanwhile
    flow.acknowledge(1000 * seen.back());
    const Numbers more = take_all(flow);
    ASSERT_FALSE(more.empty());
    seen.insert(seen.end(), more.begin(), more.end());
  }
  for (std::size_t at = 0; at < seen.size(); ++at) ASSERT_EQ(seen[at], at + 1) << "a gap";
  EXPECT_EQ(seen.size(), 30u);
  EXPECT_EQ(flow.dropped(), 0u);
}

TEST(FlowWindow, a_newcomer_that_is_slow_goes_on_at_the_next_key_frame) {
  std::vector<SharedFrame> gop;
  for (std::uint64_t n = 1; n <= 25; ++n) gop.push_back(frame(n, n == 1));
  FlowWindow flow(8);
  flow.begin(gop);
  ASSERT_EQ(take_all(flow).size(), 8u);
  flow.acknowledge(1000);
  flow.offer(frame(26, true));
  EXPECT_EQ(take_all(flow), (Numbers{26}));
  EXPECT_EQ(flow.dropped(), 17u);
}

TEST(FlowWindow, tells_how_far_a_viewer_is_behind_until_it_goes_on) {
  FlowWindow flow(2);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  EXPECT_EQ(flow.behind(), 2u);  // both wait
  for (std::uint64_t n = 3; n <= 10; ++n) flow.offer(frame(n));
  EXPECT_EQ(flow.behind(), 10u);  // the two and the eight after them
  flow.offer(frame(11, true));
  EXPECT_EQ(flow.behind(), 1u);
  EXPECT_EQ(take_all(flow), (Numbers{11}));
  EXPECT_EQ(flow.behind(), 0u);
}

TEST(FlowWindow, a_newcomer_that_catches_up_is_not_behind) {
  FlowWindow flow(8);
  std::vector<SharedFrame> gop;
  for (std::uint64_t n = 1; n <= 60; ++n) gop.push_back(frame(n, n == 1));
  flow.begin(gop);
  flow.offer(frame(61));
  EXPECT_EQ(flow.behind(), 0u);
}

TEST(FlowWindow, a_resync_is_not_the_line) {
  FlowWindow flow(8);
  flow.offer(frame(1, true));
  flow.resync();
  for (std::uint64_t n = 2; n <= 9; ++n) flow.offer(frame(n));
  EXPECT_EQ(flow.behind(), 0u);
}

TEST(FlowWindow, a_pause_drops_nothing_and_begins_anew) {
  FlowWindow flow(8);
  flow.offer(frame(1, true));
  flow.offer(frame(2));
  flow.pause();
  EXPECT_EQ(flow.dropped(), 0u);
  EXPECT_EQ(flow.next(), nullptr);
  const std::vector<SharedFrame> gop = {frame(7, true), frame(8)};
  flow.begin(gop);
  flow.offer(frame(9));
  EXPECT_EQ(take_all(flow), (Numbers{7, 8, 9}));
  EXPECT_EQ(flow.dropped(), 0u);
}

}  // namespace
}  // namespace framering::websocket
