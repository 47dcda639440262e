// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "history_gauge.h"
#include "index_line.h"
#include "muxer.h"
#include "timeline.h"
#include "trigger_window.h"
#include "wall_clock.h"

namespace framering::recorder {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;

FrameMeta meta(std::int64_t pts, std::int64_t dts) {
  FrameMeta made;
  made.pts = pts;
  made.dts = dts;
  return made;
}

TEST(Timeline, keeps_the_ticks_of_a_producer_exactly_and_begins_at_zero) {
  Timeline timeline(1001, 30'000);
  for (std::int64_t i = 0; i < 1000; ++i) {
    const auto captured = kSecond + static_cast<std::uint64_t>(i) * 33'366'667;
    const auto stamps = timeline.next(meta(100 + i + (i % 3), 100 + i), captured);
    ASSERT_EQ(stamps.dts, i * 1001);
    ASSERT_EQ(stamps.pts, (i + i % 3) * 1001);
  }
  EXPECT_EQ(timeline.scale(), 30'000);
}

TEST(Timeline, goes_by_the_time_of_capture_where_there_are_no_ticks) {
  Timeline timeline(1, 1'000'000);
  EXPECT_EQ(timeline.next(meta(0, 0), kSecond).dts, 0);
  EXPECT_EQ(timeline.next(meta(0, 0), kSecond + 40'000'000).dts, 40'000);
  EXPECT_EQ(timeline.next(meta(0, 0), kSecond + 740'000'000).dts, 740'000);
}

TEST(Timeline, shows_a_pause_that_the_ticks_do_not_and_goes_on_by_the_ticks) {
  Timeline timeline(1, 90'000);
  EXPECT_EQ(timeline.next(meta(0, 0), kSecond).dts, 0);
  EXPECT_EQ(timeline.next(meta(3000, 3000), kSecond + 33'333'333).dts, 3000);
  EXPECT_EQ(timeline.next(meta(6000, 6000), 61 * kSecond).dts, 60 * 90'000);
  EXPECT_EQ(timeline.next(meta(9001, 9001), 61 * kSecond + 33'333'333).dts, 60 * 90'000 + 3001);
}

TEST(Timeline, only_grows_whatever_the_producer_claims) {
  Timeline timeline(UINT32_MAX, 0);
  std::int64_t last = -1;
  const std::int64_t claims[] = {0, INT64_MAX, INT64_MIN, 5, 4, INT64_MIN, INT64_MAX, 0};
  std::uint64_t captured = 0;
  for (const std::int64_t claim : claims) {
    const auto stamps = timeline.next(meta(-claim / 2, claim), captured);
    EXPECT_GT(stamps.dts, last);
    EXPECT_GE(stamps.pts, stamps.dts);
    last = stamps.dts;
    captured = captured == 0 ? UINT64_MAX : 0;
  }
}

TEST(CaptureTime, is_never_in_the_future_and_falls_back_to_the_time_of_publishing) {
  FrameMeta known;
  known.captured_ns = 50;
  EXPECT_EQ(capture_time(known, 60, 100), 50u);
  EXPECT_EQ(capture_time(FrameMeta{}, 60, 100), 60u);
  known.captured_ns = UINT64_MAX;
  EXPECT_EQ(capture_time(known, 60, 100), 100u);
  known.captured_ns = 50;  // of a clock that begins elsewhere
  EXPECT_EQ(capture_time(known, 60 * kSecond, 60 * kSecond + 1), 60 * kSecond);
}

// Where the fragments of an MP4 file begin, in ticks: ISO 14496-12, 8.8.12, version 1.
std::vector<std::uint64_t> fragment_times(std::span<const std::byte> file) {
  constexpr std::string_view kBox = "tfdt";
  const std::string_view text(reinterpret_cast<const char*>(file.data()), file.size());
  std::vector<std::uint64_t> times;
  for (std::size_t at = 0; (at = text.find(kBox, at)) != text.npos; at += kBox.size()) {
    std::uint64_t ticks = 0;
    for (const char byte : text.substr(at + 8, 8))
      ticks = ticks << 8 | static_cast<unsigned char>(byte);
    times.push_back(ticks);
  }
  return times;
}

MuxerOptions muxer_options(Container container, std::uint32_t codec) {
  MuxerOptions options;
  options.container = container;
  options.codec = codec;
  options.width = options.height = 16;
  options.scale = 1'000'000;
  return options;
}

TEST(Muxer, shortens_a_pause_that_is_too_long_for_mp4_and_keeps_the_times_behind_it) {
  constexpr std::int64_t kHour_us = 3'600'000'000;  // in ticks, more than 31 bits
  Muxer muxer(muxer_options(Container::mp4, kCodecMjpeg));
  const std::array picture = {std::byte{0xff}, std::byte{0xd8}, std::byte{0xff}, std::byte{0xd9}};
  for (const std::int64_t time :
       {std::int64_t{0}, kHour_us, kHour_us + 40'000, 2 * kHour_us, 2 * kHour_us + 40'000})
    muxer.write(picture, {time, time}, true);
  muxer.finish();
  const std::vector<std::uint64_t> times = fragment_times(muxer.take());
  ASSERT_EQ(times.size(), 5u);
  EXPECT_GT(times[1] - times[0], std::uint64_t{900'000'000});
  EXPECT_EQ(times[2] - times[1], 40'000u);
  EXPECT_GT(times[3] - times[2], std::uint64_t{900'000'000});
  EXPECT_EQ(times[4] - times[3], 40'000u);
}

TEST(Muxer, takes_stamps_that_are_closer_than_the_ticks_of_mpeg_ts) {
  const std::array picture = {std::byte{0}, std::byte{0},    std::byte{0},
                              std::byte{1}, std::byte{0x65}, std::byte{0x88}};
  Muxer muxer(muxer_options(Container::ts, kCodecH264));
  for (std::int64_t time = 0; time < 5; ++time)
    EXPECT_NO_THROW(muxer.write(picture, {time, time}, time == 0)) << time;
}

TEST(WallClock, is_written_and_read_again) {
  EXPECT_EQ(iso_time(1'740'830'400'250), "2025-03-01T12:00:00.250Z");
  EXPECT_EQ(file_time(1'740'830'400'250), "20250301T120000.250");
  EXPECT_EQ(parse_file_time("20250301T120000.250"), 1'740'830'400'250);
  for (const char* wrong :
       {"", "20250301T120000", "20250301T120000.25x", "2025-03-01T12:00:00.250Z"})
    EXPECT_EQ(parse_file_time(wrong), -1) << wrong;
}

TEST(TriggerWindow, begins_at_the_last_key_frame_that_is_old_enough) {
  TriggerWindow window(3, 2);
  for (std::uint64_t i = 0; i < 10; ++i) window.saw_key(1 + 30 * i, i * kSecond);
  window.trigger(9 * kSecond + kSecond / 2);
  EXPECT_EQ(window.first_frame(), 1 + 30 * 6);
  EXPECT_TRUE(window.wants(11 * kSecond));
  EXPECT_FALSE(window.wants(12 * kSecond));
  window.trigger(11 * kSecond);
  EXPECT_TRUE(window.wants(12 * kSecond));
  EXPECT_EQ(window.first_frame(), 1 + 30 * 6) << "the first trigger says where it begins";
  window.end();
  EXPECT_FALSE(window.wants(9 * kSecond));
}

TEST(TriggerWindow, begins_with_what_there_is_when_the_stream_is_younger) {
  TriggerWindow window(30, 2);
  EXPECT_EQ(window.first_frame(), std::nullopt);
  window.saw_key(5, 100 * kSecond);
  window.saw_key(35, 101 * kSecond);
  window.trigger(102 * kSecond);
  EXPECT_EQ(window.first_frame(), 5u);
  window.drop_oldest_key();
  EXPECT_EQ(window.first_frame(), 35u);
  window.drop_oldest_key();
  EXPECT_EQ(window.first_frame(), std::nullopt);
}

TEST(TriggerWindow, remembers_no_more_keys_than_a_trigger_can_want) {
  TriggerWindow window(2, 2);
  for (std::uint64_t i = 1; i <= 1000; ++i) window.saw_key(i, i * kSecond / 10);
  window.trigger(100 * kSecond);
  EXPECT_EQ(window.first_frame(), 980u);
  EXPECT_GE(window.key_for(0), 965u) << "older ones are forgotten";
  window.saw_key(990, 99 * kSecond);  // read again
  EXPECT_EQ(window.key_for(5000), 990u);
}

TEST(TriggerWindow, remembers_no_more_keys_than_a_ring_can_hold_whatever_their_times) {
  TriggerWindow window(2, 2);
  for (std::uint64_t i = 1; i <= 2 * kMaxSlotCount; ++i) window.saw_key(i, kSecond);
  EXPECT_GE(window.key_for(0), kMaxSlotCount);
}

HistoryGauge gauge_of(double fps, std::size_t bytes, std::uint64_t group, int seconds) {
  HistoryGauge gauge;
  for (std::uint64_t i = 0; i < static_cast<std::uint64_t>(fps * seconds); ++i) {
    gauge.saw(bytes, i % group == 0,
              kSecond + static_cast<std::uint64_t>(static_cast<double>(i) * 1e9 / fps));
  }
  return gauge;
}

TEST(HistoryGauge, names_the_option_that_is_too_small) {
  const HistoryGauge gauge = gauge_of(30, 10'000, 30, 4);
  ASSERT_TRUE(gauge.ready());
  EXPECT_EQ(gauge.objection(5, 4 << 20, 256, "s"), "");
  const std::string bytes = gauge.objection(30, 4 << 20, 4096, "s");
  EXPECT_NE(bytes.find("--history"), std::string::npos) << bytes;
  EXPECT_EQ(bytes.find("--slots"), std::string::npos) << bytes;
  const std::string frames = gauge.objection(30, 1 << 30, 256, "s");
  EXPECT_NE(frames.find("--slots 2048"), std::string::npos) << frames;
  EXPECT_NE(frames.find("--history"), std::string::npos) << frames;
}

TEST(HistoryGauge, waits_until_it_knows_how_far_key_frames_are_apart) {
  EXPECT_FALSE(gauge_of(30, 1000, 1000, 3).ready());
  EXPECT_TRUE(gauge_of(30, 1000, 1000, 11).ready());
  EXPECT_FALSE(gauge_of(30, 1000, 10, 1).ready());
}

TEST(IndexLine, is_found_again_by_its_own_stream_only) {
  Summary summary;
  summary.gaps.push_back({3, 10, 0.5});
  const std::string line = index_line("a_x.mp4", "a", summary, 7);
  EXPECT_EQ(file_of_line(line, "a"), "a_x.mp4");
  EXPECT_EQ(file_of_line(line, "b"), "");
  EXPECT_EQ(file_of_line(line.substr(0, line.size() / 2), "a"), "");
  EXPECT_EQ(file_of_line(R"({"file":"../../etc/passwd","stream":"a"})", "a"), "");
  EXPECT_EQ(file_of_line(R"({"file":7,"stream":"a"})", "a"), "");
  EXPECT_NE(line.find(R"("gaps":[{"frames":3,"before_frame":10,"at_seconds":0.5}])"),
            std::string::npos)
      << line;
}

}  // namespace
}  // namespace framering::recorder
