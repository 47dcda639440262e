// SPDX-License-Identifier: Apache-2.0
//
// The layout as numbers. A program of another build, version or language maps the same bytes:
// whoever changes a number here changes kLayoutVersion too, and schema/README.md.
#include <gtest/gtest.h>

#include <cstddef>
#include <string>
#include <vector>

#include "framering.h"
#include "page_layout.h"
#include "ring_layout.h"

namespace framering {

namespace {

struct Place {
  std::string name;
  std::size_t offset;
  std::size_t bytes;
  std::size_t golden_offset;
  std::size_t golden_bytes;
};

Place place(const char* name, std::size_t offset, std::size_t bytes, std::size_t golden_offset,
            std::size_t golden_bytes) {
  return {name, offset, bytes, golden_offset, golden_bytes};
}

#define FIELD(type, field, golden_offset, golden_bytes)                                 \
  place(#type "::" #field, offsetof(type, field), sizeof(type::field), (golden_offset), \
        (golden_bytes))
#define WHOLE(type, golden_bytes) place(#type, 0, sizeof(type), 0, (golden_bytes))

void expect_golden(const std::vector<Place>& places) {
  for (const Place& place : places) {
    EXPECT_EQ(place.offset, place.golden_offset) << place.name;
    EXPECT_EQ(place.bytes, place.golden_bytes) << place.name;
  }
}

}  // namespace

TEST(Layout, every_field_of_the_ring_stays_where_it_is) {
  ASSERT_EQ(kLayoutVersion, 1u);
  expect_golden({
      FIELD(FrameMeta, pts, 0, 8),
      FIELD(FrameMeta, dts, 8, 8),
      FIELD(FrameMeta, captured_ns, 16, 8),
      FIELD(FrameMeta, encoded_ns, 24, 8),
      FIELD(FrameMeta, parameter_set, 32, 8),
      FIELD(FrameMeta, flags, 40, 4),
      FIELD(FrameMeta, codec, 44, 4),
      FIELD(FrameMeta, width, 48, 4),
      FIELD(FrameMeta, height, 52, 4),
      FIELD(FrameMeta, stride, 56, 16),
      FIELD(FrameMeta, plane_offset, 72, 16),
      FIELD(FrameMeta, colour_primaries, 88, 1),
      FIELD(FrameMeta, transfer, 89, 1),
      FIELD(FrameMeta, matrix, 90, 1),
      FIELD(FrameMeta, full_range, 91, 1),
      FIELD(FrameMeta, reserved, 92, 4),
      WHOLE(FrameMeta, 96),
      FIELD(FrameRecord, position, 0, 8),
      FIELD(FrameRecord, published_ns, 8, 8),
      FIELD(FrameRecord, size, 16, 4),
      FIELD(FrameRecord, reserved, 20, 4),
      FIELD(FrameRecord, meta, 24, 96),
      WHOLE(FrameRecord, 120),
      FIELD(FrameSlot, number, 0, 8),
      FIELD(FrameSlot, record, 8, 120),
      WHOLE(FrameSlot, 128),
      FIELD(ParameterSetBuffer, number, 0, 8),
      FIELD(ParameterSetBuffer, size, 8, 4),
      FIELD(ParameterSetBuffer, reserved, 12, 4),
      FIELD(ParameterSetBuffer, bytes, 16, 2032),
      WHOLE(ParameterSetBuffer, 2048),
      FIELD(RingHeader, magic, 0, 8),
      FIELD(RingHeader, layout_version, 8, 4),
      FIELD(RingHeader, header_bytes, 12, 4),
      FIELD(RingHeader, generation, 16, 8),
      FIELD(RingHeader, segment_bytes, 24, 8),
      FIELD(RingHeader, arena_offset, 32, 8),
      FIELD(RingHeader, arena_bytes, 40, 8),
      FIELD(RingHeader, slot_count, 48, 4),
      FIELD(RingHeader, slot_bytes, 52, 4),
      FIELD(RingHeader, slots_offset, 56, 8),
      FIELD(RingHeader, codec, 64, 4),
      FIELD(RingHeader, flags, 68, 4),
      FIELD(RingHeader, time_base_num, 72, 4),
      FIELD(RingHeader, time_base_den, 76, 4),
      FIELD(RingHeader, max_width, 80, 4),
      FIELD(RingHeader, max_height, 84, 4),
      FIELD(RingHeader, max_frame_bytes, 88, 8),
      FIELD(RingHeader, lease_cells, 96, 4),
      FIELD(RingHeader, max_readers, 100, 4),
      FIELD(RingHeader, created_ns, 104, 8),
      FIELD(RingHeader, parameter_sets_offset, 112, 8),
      FIELD(RingHeader, reserved_fixed, 120, 8),
      FIELD(RingHeader, head, 128, 8),
      FIELD(RingHeader, newest_key, 136, 8),
      FIELD(RingHeader, reclaimed, 192, 8),
      FIELD(RingHeader, intent, 200, 8),
      FIELD(RingHeader, parameter_intent, 208, 8),
      FIELD(RingHeader, source_state, 256, 4),
      FIELD(RingHeader, reserved_state, 260, 4),
      FIELD(RingHeader, state_since_ns, 264, 8),
      FIELD(RingHeader, heartbeat_ns, 272, 8),
      FIELD(RingHeader, parameter_set, 280, 8),
      FIELD(RingHeader, width, 288, 4),
      FIELD(RingHeader, height, 292, 4),
      FIELD(RingHeader, bytes_published, 320, 8),
      FIELD(RingHeader, frames_too_large, 328, 8),
      FIELD(RingHeader, key_requests_wanted, 336, 8),
      FIELD(RingHeader, key_requests_granted, 344, 8),
      FIELD(RingHeader, leases_stepped_over, 352, 8),
      FIELD(RingHeader, leases_revoked, 360, 8),
      FIELD(RingHeader, bells_rung, 368, 8),
      FIELD(RingHeader, bells_by_ringer, 376, 8),
      FIELD(RingHeader, arriving, 384, 8),
      FIELD(RingHeader, arriving_position, 392, 8),
      FIELD(RingHeader, arriving_bytes, 400, 8),
      FIELD(RingHeader, arrived, 408, 8),
      FIELD(RingHeader, reserved_tail, 448, 64),
      WHOLE(RingHeader, 512),
  });
}

TEST(Layout, every_field_of_the_pages_stays_where_it_is) {
  ASSERT_EQ(kLayoutVersion, 1u);
  expect_golden({
      FIELD(ReaderPage, magic, 0, 8),
      FIELD(ReaderPage, layout_version, 8, 4),
      FIELD(ReaderPage, reserved_fixed, 12, 4),
      FIELD(ReaderPage, wake_at, 64, 8),
      FIELD(ReaderPage, wake_early, 72, 4),
      FIELD(ReaderPage, demand, 128, 4),
      FIELD(ReaderPage, reserved_demand, 132, 4),
      FIELD(ReaderPage, key_requests, 136, 8),
      FIELD(ReaderPage, backlog_frames, 144, 4),
      FIELD(ReaderPage, backlog_bytes, 148, 4),
      FIELD(ReaderPage, wanted_kbps, 152, 4),
      FIELD(ReaderPage, reserved_wish, 156, 4),
      FIELD(ReaderPage, read_to, 192, 8),
      FIELD(ReaderPage, delivered, 200, 8),
      FIELD(ReaderPage, lost_lapped, 208, 8),
      FIELD(ReaderPage, lost_skipped, 216, 8),
      FIELD(ReaderPage, lost_undecodable, 224, 8),
      FIELD(ReaderPage, leases_revoked, 232, 8),
      FIELD(ReaderPage, delivered_bytes, 240, 8),
      FIELD(ReaderPage, attached_ns, 248, 8),
      FIELD(ReaderPage, reserved_tail, 256, 256),
      FIELD(ReaderPage, lease, 512, 512),
      WHOLE(ReaderPage, 1024),
      FIELD(BellPage, magic, 0, 8),
      FIELD(BellPage, layout_version, 8, 4),
      FIELD(BellPage, reserved_fixed, 12, 4),
      FIELD(BellPage, futex_word, 64, 4),
      FIELD(BellPage, attachment, 128, 4),
      FIELD(BellPage, reserved_tail, 192, 320),
      FIELD(BellPage, revoked, 512, 512),
      WHOLE(BellPage, 1024),
  });
}

TEST(Layout, the_numbers_that_stand_for_words_stay) {
  EXPECT_EQ(kRingMagic, 0x474E4952454D5246u);
  EXPECT_EQ(kReaderPageMagic, 0x5244414552474E52u);
  EXPECT_EQ(kBellPageMagic, 0x4C4C454252474E52u);
  EXPECT_EQ(kParameterSetsOffset, 4096u);
  EXPECT_EQ(kSlotsOffset, 8192u);
  EXPECT_EQ(kFrameAlignment, 64u);
  EXPECT_EQ(kMaxLeaseCells, 64u);

  EXPECT_EQ(kCodecH264, 0x34363248u);
  EXPECT_EQ(kCodecH265, 0x35363248u);
  EXPECT_EQ(kCodecMjpeg, 0x47504A4Du);
  EXPECT_EQ(kCodecPattern, 0x4E544150u);
  EXPECT_EQ(kCodecI420, 0x32315559u);
  EXPECT_EQ(kCodecNv12, 0x3231564Eu);
  EXPECT_EQ(kStreamInterCoded, 0x10000u);
  EXPECT_EQ(kFrameKey, 1u);
  EXPECT_EQ(kFrameHasParameters, 2u);
  EXPECT_EQ(kFrameDiscontinuity, 4u);
  EXPECT_EQ(kFrameDroppable, 8u);

  const auto number = [](auto value) { return static_cast<std::uint32_t>(value); };
  EXPECT_EQ(number(SourceState::starting), 0u);
  EXPECT_EQ(number(SourceState::live), 1u);
  EXPECT_EQ(number(SourceState::no_signal), 2u);
  EXPECT_EQ(number(SourceState::unsupported_resolution), 3u);
  EXPECT_EQ(number(SourceState::changing_resolution), 4u);
  EXPECT_EQ(number(SourceState::encoder_error), 5u);
  EXPECT_EQ(number(SourceState::frame_too_large), 6u);
  EXPECT_EQ(number(SourceState::ended), 7u);
  EXPECT_EQ(number(SourceState::replaced), 8u);
  EXPECT_EQ(number(SourceState::idle), 9u);
  EXPECT_EQ(number(Bell::futex), 0u);
  EXPECT_EQ(number(Bell::eventfd), 1u);
  EXPECT_EQ(number(Bell::line), 2u);
  EXPECT_EQ(number(Attachment::pending), 0u);
  EXPECT_EQ(number(Attachment::attached), 1u);
  EXPECT_EQ(number(Attachment::detached), 2u);
}

// A program built against today's framering.h must go on with tomorrow's library: fields are only
// ever appended.
TEST(Layout, the_structs_of_the_C_API_stay_where_they_are) {
  static_assert(sizeof(void*) == 8, "the numbers below are those of 64-bit machines");
  expect_golden({
      FIELD(framering_frame, struct_size, 0, 4),
      FIELD(framering_frame, flags, 4, 4),
      FIELD(framering_frame, generation, 8, 8),
      FIELD(framering_frame, number, 16, 8),
      FIELD(framering_frame, lost_before, 24, 8),
      FIELD(framering_frame, published_ns, 32, 8),
      FIELD(framering_frame, bytes, 40, 8),
      FIELD(framering_frame, size, 48, 8),
      FIELD(framering_frame, pts, 56, 8),
      FIELD(framering_frame, dts, 64, 8),
      FIELD(framering_frame, captured_ns, 72, 8),
      FIELD(framering_frame, encoded_ns, 80, 8),
      FIELD(framering_frame, parameter_set, 88, 8),
      FIELD(framering_frame, codec, 96, 4),
      FIELD(framering_frame, width, 100, 4),
      FIELD(framering_frame, height, 104, 4),
      FIELD(framering_frame, stride, 108, 16),
      FIELD(framering_frame, plane_offset, 124, 16),
      FIELD(framering_frame, colour_primaries, 140, 1),
      FIELD(framering_frame, transfer, 141, 1),
      FIELD(framering_frame, matrix, 142, 1),
      FIELD(framering_frame, full_range, 143, 1),
      WHOLE(framering_frame, 144),
      FIELD(framering_reader_options, struct_size, 0, 4),
      FIELD(framering_reader_options, policy, 4, 4),
      FIELD(framering_reader_options, start, 8, 4),
      FIELD(framering_reader_options, bell, 12, 4),
      FIELD(framering_reader_options, stream, 16, 8),
      FIELD(framering_reader_options, socket_dir, 24, 8),
      FIELD(framering_reader_options, name, 32, 8),
      FIELD(framering_reader_options, max_lag_frames, 40, 4),
      FIELD(framering_reader_options, paused, 44, 4),
      FIELD(framering_reader_options, predictive, 48, 4),
      FIELD(framering_reader_options, reserved, 52, 4),
      WHOLE(framering_reader_options, 56),
      FIELD(framering_writer_options, struct_size, 0, 4),
      FIELD(framering_writer_options, codec, 4, 4),
      FIELD(framering_writer_options, stream, 8, 8),
      FIELD(framering_writer_options, socket_dir, 16, 8),
      FIELD(framering_writer_options, program, 24, 8),
      FIELD(framering_writer_options, history_bytes, 32, 8),
      FIELD(framering_writer_options, max_frame_bytes, 40, 8),
      FIELD(framering_writer_options, inter_coded, 48, 4),
      FIELD(framering_writer_options, time_base_num, 52, 4),
      FIELD(framering_writer_options, time_base_den, 56, 4),
      FIELD(framering_writer_options, max_width, 60, 4),
      FIELD(framering_writer_options, max_height, 64, 4),
      FIELD(framering_writer_options, slot_count, 68, 4),
      FIELD(framering_writer_options, lease_cells, 72, 4),
      FIELD(framering_writer_options, max_readers, 76, 4),
      WHOLE(framering_writer_options, 80),
      FIELD(framering_demand, struct_size, 0, 4),
      FIELD(framering_demand, readers, 4, 4),
      FIELD(framering_demand, wanting, 8, 4),
      FIELD(framering_demand, lowest_kbps, 12, 4),
      FIELD(framering_demand, key_requests, 16, 8),
      FIELD(framering_demand, worst_backlog_frames, 24, 4),
      FIELD(framering_demand, worst_backlog_bytes, 28, 4),
      WHOLE(framering_demand, 32),
  });
}

}  // namespace framering
