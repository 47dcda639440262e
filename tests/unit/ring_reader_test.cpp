// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <memory>

#include "ring_fixture.h"

namespace framering::test {
namespace {

TEST(RingReader, GetsEveryFrameInOrderAndWhole) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  Frame frame;
  for (std::uint64_t n = 1; n <= 500; ++n) {
    ASSERT_EQ(publish_pattern(writer, 1000 + n * 7 % 9000), n);
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_EQ(frame.lost_before, 0u);
    EXPECT_TRUE(is_pattern(frame));
    EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  }
  EXPECT_EQ(local.reader.counts().delivered, 500u);
  EXPECT_EQ(local.reader.counts().lost(), 0u);
}

TEST(RingReader, ReportsTheSizeOfEachLoss) {
  RingWriter writer(small_ring(65536, 16));
  LocalReader local(writer, 1);
  Frame frame;
  std::uint64_t accounted = 0;
  for (int round = 0; round < 50; ++round) {
    for (int i = 0; i < 5 + round; ++i) ASSERT_NE(publish_pattern(writer, 3000), 0u);
    while (local.copy(frame) == ReadOutcome::frame) {
      EXPECT_TRUE(is_pattern(frame));
      EXPECT_EQ(frame.number, accounted + frame.lost_before + 1);
      accounted = frame.number;
    }
  }
  EXPECT_EQ(accounted, writer.head());
  EXPECT_EQ(local.reader.counts().delivered + local.reader.counts().lost(), writer.head());
  EXPECT_GT(local.reader.counts().lost_lapped, 0u);
}

TEST(RingReader, HandsOutNothingAfterALossUntilTheNextKeyFrame) {
  RingOptions options = small_ring(65536, 16);
  options.inter_coded = true;
  RingWriter writer(options);
  LocalReader local(writer, 1);
  Frame frame;
  // Groups of ten: the key frame is 1, 11, 21 ...
  const auto publish = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const std::uint64_t n = writer.head() + 1;
      ASSERT_EQ(publish_pattern(writer, 500, n % 10 == 1 ? kFrameKey : 0), n);
    }
  };
  publish(5);
  while (local.copy(frame) == ReadOutcome::frame) {
  }
  EXPECT_EQ(frame.number, 5u);
  publish(38);  // 43: slots hold 28..43, so 6..27 are gone
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(frame.key());
  EXPECT_GE(frame.number, 31u);
  EXPECT_EQ(frame.number, 5 + frame.lost_before + 1);
  EXPECT_GT(local.reader.counts().lost_undecodable, 0u);
}

TEST(RingReader, NewcomerStartsAtTheNewestKeyFrameThatIsHeld) {
  RingOptions options = small_ring(262144, 64);
  options.inter_coded = true;
  RingWriter writer(options);
  for (int i = 0; i < 47; ++i) {
    publish_pattern(writer, 500, (writer.head() + 1) % 10 == 1 ? kFrameKey : 0);
  }
  LocalReader at_key(writer, 1, Policy::live, Start::key);
  LocalReader at_oldest(writer, 2, Policy::every, Start::oldest);
  LocalReader at_head(writer, 3, Policy::live, Start::head);
  Frame frame;
  ASSERT_EQ(at_key.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 41u);
  EXPECT_FALSE(at_key.reader.take_key_wish());
  ASSERT_EQ(at_oldest.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 1u);
  EXPECT_EQ(at_head.copy(frame), ReadOutcome::nothing);
  for (int i = 0; i < 4; ++i) {
    publish_pattern(writer, 500, (writer.head() + 1) % 10 == 1 ? kFrameKey : 0);
  }
  ASSERT_EQ(at_head.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 51u);
  EXPECT_EQ(frame.lost_before, 0u);
}

TEST(RingReader, AsksForAKeyFrameWhenTheHistoryHoldsNone) {
  RingOptions options = small_ring(65536, 16);
  options.inter_coded = true;
  RingWriter writer(options);
  publish_pattern(writer, 500, kFrameKey);
  for (int i = 0; i < 40; ++i) publish_pattern(writer, 500, 0);
  LocalReader local(writer, 1, Policy::live, Start::key);
  Frame frame;
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  EXPECT_TRUE(local.reader.take_key_wish());
  EXPECT_FALSE(local.reader.take_key_wish());
  publish_pattern(writer, 500, 0);
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  publish_pattern(writer, 500, kFrameKey);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(frame.key());
}

TEST(RingReader, NewestJumpsToTheHead) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1, Policy::newest, Start::key);
  Frame frame;
  for (int i = 0; i < 7; ++i) publish_pattern(writer, 500);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 7u);
  EXPECT_EQ(frame.lost_before, 6u);
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
}

// The producer was stopped after it had stored the newest key frame's number, before the head that
// brings it. A copy of a ring can be put into that state by hand.
TEST(RingReader, WaitsForAKeyFrameThatIsAboutToCome) {
  RingOptions options = small_ring();
  options.inter_coded = true;
  RingWriter writer(options);
  for (int i = 0; i < 4; ++i) publish_pattern(writer, 500, i % 3 == 0 ? kFrameKey : 0);
  ForeignSegment sealed;
  ASSERT_EQ(sealed.map(writer.fd(), kPageBytes, SIZE_MAX), SegmentFault::none);
  std::vector<std::byte> copy(sealed.bytes() + kPageBytes);
  void* room = copy.data();
  std::size_t bytes = copy.size();
  auto* const memory = static_cast<std::byte*>(std::align(kPageBytes, sealed.bytes(), room, bytes));
  std::memcpy(memory, sealed.data(), sealed.bytes());
  auto* const header = reinterpret_cast<RingHeader*>(memory);
  header->head.store(3);
  RingView view;
  ASSERT_EQ(view.open(memory, sealed.bytes()), RingFault::none);
  auto page_segment = make_reader_page();
  RingReader reader(*reinterpret_cast<ReaderPage*>(page_segment->data()));
  reader.set_policy(Policy::newest, 0);
  reader.attach(view, nullptr, Start::oldest, false);
  Frame frame;
  std::vector<std::byte> buffer(view.max_frame_bytes());
  EXPECT_EQ(reader.copy_next(frame, buffer), ReadOutcome::nothing);
  header->head.store(4);
  ASSERT_EQ(reader.copy_next(frame, buffer), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 4u);
}

TEST(RingReader, AFrameThatHasNoRoomIsStillTheNextOne) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  publish_pattern(writer, 500, kFrameKey);
  Frame frame;
  std::vector<std::byte> small(499);
  ASSERT_EQ(local.reader.copy_next(frame, small), ReadOutcome::too_small);
  EXPECT_EQ(frame.bytes.size(), 500u);
  EXPECT_EQ(local.reader.counts().delivered, 0u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 1u);
  EXPECT_EQ(frame.lost_before, 0u);
}

TEST(RingReader, LiveJumpsToAKeyFrameWhenFurtherBehindThanMaxLag) {
  RingOptions options = small_ring(262144, 64);
  options.inter_coded = true;
  RingWriter writer(options);
  LocalReader local(writer, 1, Policy::live, Start::key);
  local.reader.set_policy(Policy::live, 5);
  Frame frame;
  publish_pattern(writer, 500, kFrameKey);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  for (int i = 0; i < 14; ++i) {
    publish_pattern(writer, 500, (writer.head() + 1) % 10 == 1 ? kFrameKey : 0);
  }
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 11u);
  EXPECT_EQ(frame.lost_before, 9u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 12u);
}

TEST(RingReader, GoesBackToAKeyFrameThatIsKeptAndNowhereElse) {
  RingOptions options = small_ring(65536, 16);
  options.inter_coded = true;
  RingWriter writer(options);
  LocalReader local(writer, 1);
  Frame frame;
  // Groups of five: the key frame is 1, 6, 11 ...
  const auto publish_to = [&](std::uint64_t last) {
    while (writer.head() < last) {
      ASSERT_NE(publish_pattern(writer, 500, writer.head() % 5 == 0 ? kFrameKey : 0), 0u);
    }
  };
  publish_to(13);
  while (local.copy(frame) == ReadOutcome::frame) {
  }
  EXPECT_EQ(frame.number, 13u);
  for (const std::uint64_t wrong : {0, 7, 13, 14, 16}) {
    EXPECT_FALSE(local.reader.go_to_key(wrong)) << wrong;
  }
  ASSERT_TRUE(local.reader.go_to_key(6));
  for (std::uint64_t n = 6; n <= 13; ++n) {
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_EQ(frame.lost_before, 0u);
    EXPECT_TRUE(is_pattern(frame));
  }
  publish_to(30);
  EXPECT_FALSE(local.reader.go_to_key(11)) << "its slot was given up";
  ASSERT_TRUE(local.reader.go_to_key(26)) << "on as well as back";
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 26u);
  EXPECT_EQ(frame.lost_before, 12u);
  EXPECT_EQ(local.reader.counts().lost_skipped, 12u);
}

TEST(RingReader, RefusesWhatCannotBeTrue) {
  RingWriter writer(small_ring());
  publish_pattern(writer, 500);
  ForeignSegment ring;
  ASSERT_EQ(ring.map(writer.fd(), kPageBytes, SIZE_MAX), SegmentFault::none);
  std::vector<std::byte> copy(ring.data(), ring.data() + ring.bytes());
  auto* header = reinterpret_cast<RingHeader*>(copy.data());
  RingView view;
  ASSERT_EQ(view.open(copy.data(), copy.size()), RingFault::none);

  const auto with = [&](auto change) {
    std::vector<std::byte> changed = copy;
    change(*reinterpret_cast<RingHeader*>(changed.data()));
    return RingView().open(changed.data(), changed.size());
  };
  EXPECT_EQ(with([](RingHeader& h) { h.magic.store(1); }), RingFault::not_ready);
  EXPECT_EQ(with([](RingHeader& h) { h.layout_version = 99; }), RingFault::newer_layout);
  EXPECT_EQ(with([](RingHeader& h) { h.layout_version = 0; }), RingFault::older_layout);
  EXPECT_EQ(with([](RingHeader& h) { h.flags |= 1u << 30; }), RingFault::unknown_flags);
  EXPECT_EQ(with([](RingHeader& h) { h.slot_count = 17; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.slot_count = 1u << 31; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.arena_offset = 1ull << 63; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.arena_bytes = ~4095ull; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.max_frame_bytes = h.arena_bytes; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.lease_cells = 1000; }), RingFault::bad_sizes);
  EXPECT_EQ(with([](RingHeader& h) { h.time_base_den = 0; }), RingFault::bad_sizes);
  EXPECT_EQ(RingView().open(copy.data(), 64), RingFault::not_ready);

  // A slot that points outside of the arena, or is larger than the largest frame.
  auto* slots = reinterpret_cast<FrameSlot*>(copy.data() + kSlotsOffset);
  FrameRecord record;
  EXPECT_EQ(view.read_slot(1, record), SlotState::whole);
  slots[1].record.size = UINT32_MAX;
  EXPECT_EQ(view.read_slot(1, record), SlotState::nonsense);
  slots[1].record.size = 500;
  slots[1].record.position = 65536 - 64;
  EXPECT_EQ(view.read_slot(1, record), SlotState::nonsense);
  header->head.store(~0ull);  // must end, whatever it says
  auto page_segment = make_reader_page();
  RingReader reader(*reinterpret_cast<ReaderPage*>(page_segment->data()));
  reader.attach(view, nullptr, Start::oldest, false);
  Frame frame;
  std::vector<std::byte> buffer(view.max_frame_bytes());
  for (int i = 0; i < 100; ++i) EXPECT_NE(reader.copy_next(frame, buffer), ReadOutcome::frame);
}

TEST(RingReader, KeepsTwoParameterSets) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  const auto set = [](char c) { return std::vector<std::byte>(40, static_cast<std::byte>(c)); };
  EXPECT_EQ(writer.set_parameter_sets(set('a')), 1u);
  EXPECT_EQ(writer.set_parameter_sets(set('a')), 1u) << "the same bytes are the same set";
  EXPECT_EQ(writer.set_parameter_sets(set('b')), 2u);
  std::vector<std::byte> out(kMaxParameterSetBytes);
  const RingView& view = local.reader.ring();
  EXPECT_EQ(view.read_parameter_set(1, out), 40u);
  EXPECT_EQ(out[0], std::byte{'a'});
  EXPECT_EQ(view.read_parameter_set(2, out), 40u);
  EXPECT_EQ(out[39], std::byte{'b'});
  EXPECT_EQ(writer.set_parameter_sets(set('c')), 3u);
  EXPECT_EQ(view.read_parameter_set(1, out), 0u);
  EXPECT_EQ(view.read_parameter_set(3, out), 40u);
  EXPECT_EQ(writer.set_parameter_sets(std::vector<std::byte>(kMaxParameterSetBytes + 1)), 0u);
}

TEST(RingReader, ANewGenerationCountsWhatItMissed) {
  RingWriter first(small_ring());
  LocalReader local(first, 1, Policy::every, Start::oldest);
  Frame frame;
  publish_pattern(first, 100);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  local.reader.detach();
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);

  RingWriter second(small_ring());
  for (int i = 0; i < 100; ++i) publish_pattern(second, 100);
  ForeignSegment ring;
  ASSERT_EQ(ring.map(second.fd(), kPageBytes, SIZE_MAX), SegmentFault::none);
  RingView view;
  ASSERT_EQ(view.open(ring.data(), ring.bytes()), RingFault::none);
  local.reader.attach(view, nullptr, Start::oldest, true);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, frame.lost_before + 1);
  EXPECT_EQ(frame.generation, second.generation());
  EXPECT_EQ(local.reader.counts().delivered, 2u);
}

}  // namespace
}  // namespace framering::test
