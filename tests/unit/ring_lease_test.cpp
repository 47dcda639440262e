// SPDX-License-Identifier: Apache-2.0
#include "ring_fixture.h"

namespace framering::test {
namespace {

TEST(Lease, KeepsItsBytesWhileTheWriterGoesRoundManyTimes) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  publish_pattern(writer, 5000);
  Frame leased;
  ASSERT_EQ(local.reader.lease_next(leased), ReadOutcome::frame);
  for (int i = 0; i < 1000; ++i) {
    ASSERT_NE(publish_pattern(writer, 5000), 0u);
    ASSERT_TRUE(is_pattern(leased)) << "after " << i << " further frames";
  }
  EXPECT_TRUE(local.reader.lease_valid(leased));
  EXPECT_GT(writer.header().leases_stepped_over.load(), 0u);
  EXPECT_EQ(writer.header().leases_revoked.load(), 0u);
  local.reader.release(leased);
  EXPECT_EQ(local.reader.leases_held(), 0u);
  EXPECT_EQ(local.page.lease[0].load(), 0u);
}

TEST(Lease, IsTheVeryMemoryOfTheRing) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  publish_pattern(writer, 5000);
  Frame leased;
  ASSERT_EQ(local.reader.lease_next(leased), ReadOutcome::frame);
  EXPECT_GE(leased.bytes.data(), local.ring.data());
  EXPECT_LT(leased.bytes.data(), local.ring.data() + local.ring.bytes());
}

TEST(Lease, EveryCellOfSeveralReadersIsSteppedOver) {
  RingWriter writer(small_ring(1 << 20, 64));
  LocalReader a(writer, 1);
  LocalReader b(writer, 2);
  std::vector<Frame> held;
  for (int i = 0; i < 4; ++i) {
    publish_pattern(writer, 9000);
    for (LocalReader* local : {&a, &b}) {
      Frame frame;
      ASSERT_EQ(local->reader.lease_next(frame), ReadOutcome::frame);
      held.push_back(frame);
    }
    publish_pattern(writer, 100 + static_cast<std::size_t>(i) * 999);
    Frame skipped;
    ASSERT_EQ(a.copy(skipped), ReadOutcome::frame);
    ASSERT_EQ(b.copy(skipped), ReadOutcome::frame);
  }
  for (std::size_t i = 0; i < 2000; ++i)
    ASSERT_NE(publish_pattern(writer, 64 + i * 37 % 30000), 0u);
  for (const Frame& frame : held) EXPECT_TRUE(is_pattern(frame));
  EXPECT_EQ(writer.header().leases_revoked.load(), 0u);
}

TEST(Lease, WithoutRoomTheReaderOverItsBudgetIsRevokedFirst) {
  RingWriter writer(small_ring(65536, 64));
  LocalReader modest(writer, 1);
  LocalReader greedy(writer, 2);
  publish_pattern(writer, 8000);
  Frame modest_frame;
  ASSERT_EQ(modest.reader.lease_next(modest_frame), ReadOutcome::frame);
  Frame first;
  ASSERT_EQ(greedy.copy(first), ReadOutcome::frame);
  std::vector<Frame> greedy_frames(6);
  for (Frame& frame : greedy_frames) {
    publish_pattern(writer, 8000);
    ASSERT_EQ(greedy.reader.lease_next(frame), ReadOutcome::frame);
  }
  // 16000 bytes in one piece are only to be had where greedy sits.
  for (int i = 0; i < 8; ++i) ASSERT_NE(publish_pattern(writer, 16000), 0u);
  EXPECT_TRUE(modest.reader.lease_valid(modest_frame));
  EXPECT_TRUE(is_pattern(modest_frame));
  for (const Frame& frame : greedy_frames) EXPECT_FALSE(greedy.reader.lease_valid(frame));
  for (const Frame& frame : greedy_frames) greedy.reader.release(frame);
  EXPECT_EQ(greedy.reader.counts().leases_revoked, 6u);
  EXPECT_EQ(writer.header().leases_revoked.load(), 6u);
}

TEST(Lease, OfAFrameThatIsGivenUpIsNotHad) {
  RingWriter writer(small_ring(65536, 16));
  LocalReader local(writer, 1);
  publish_pattern(writer, 8000);
  for (int i = 0; i < 20; ++i) publish_pattern(writer, 8000);
  Frame frame;
  ASSERT_EQ(local.reader.lease_next(frame), ReadOutcome::frame);
  EXPECT_GT(frame.lost_before, 0u);
  EXPECT_TRUE(is_pattern(frame));
}

TEST(Lease, MoreThanTheCellsIsACopyInstead) {
  RingWriter writer(small_ring(65536, 64));
  LocalReader local(writer, 1);
  Frame frame;
  for (int i = 0; i < 8; ++i) {
    publish_pattern(writer, 100);
    ASSERT_EQ(local.reader.lease_next(frame), ReadOutcome::frame);
  }
  publish_pattern(writer, 100);
  EXPECT_EQ(local.reader.lease_next(frame), ReadOutcome::no_cell);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.number, 9u);
  EXPECT_TRUE(local.reader.lease_valid(frame));
}

TEST(Lease, EndsWithTheReaderItBelongsTo) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 7);
  publish_pattern(writer, 5000);
  Frame leased;
  ASSERT_EQ(local.reader.lease_next(leased), ReadOutcome::frame);
  EXPECT_TRUE(writer.readers().remove(7));
  EXPECT_FALSE(local.reader.lease_valid(leased));
  EXPECT_FALSE(writer.readers().remove(7));
  const std::uint64_t stepped = writer.header().leases_stepped_over.load();
  for (int i = 0; i < 100; ++i) ASSERT_NE(publish_pattern(writer, 5000), 0u);
  EXPECT_EQ(writer.header().leases_stepped_over.load(), stepped);
  Frame frame;
  EXPECT_EQ(local.reader.lease_next(frame), ReadOutcome::no_cell);
  EXPECT_EQ(local.copy(frame), ReadOutcome::frame) << "copying goes on";
}

// One page serves one generation after the other. A lease on frame 1 of the old ring, released and
// taken anew on frame 1 of the next one between two scans, looks the same to the new producer.
TEST(Lease, IsKeptAlthoughItsCellHeldTheSameNumberOfAnEarlierGeneration) {
  RingWriter before(small_ring());
  RingWriter writer(small_ring());
  LocalReader local(before, 1);
  publish_pattern(before, 5000);
  Frame old;
  ASSERT_EQ(local.reader.lease_next(old), ReadOutcome::frame);

  NewReader newcomer;
  newcomer.id = 1;
  newcomer.reader_page = Fd(::dup(local.page_segment->fd()));
  const AddOutcome added = writer.readers().add(std::move(newcomer));
  ASSERT_EQ(added.fault, AddFault::none) << added.text;
  ForeignSegment ring;
  ForeignSegment bell;
  RingView view;
  ASSERT_EQ(ring.map(writer.fd(), kPageBytes, SIZE_MAX), SegmentFault::none);
  ASSERT_EQ(bell.map(added.handles.bell_page.get(), kPageBytes, kPageBytes), SegmentFault::none);
  ASSERT_EQ(view.open(ring.data(), ring.bytes()), RingFault::none);
  local.reader.detach();
  local.reader.attach(view, reinterpret_cast<const BellPage*>(bell.data()), Start::oldest, true);

  publish_pattern(writer, 5000);
  local.reader.release(old);
  Frame leased;
  ASSERT_EQ(local.reader.lease_next(leased), ReadOutcome::frame);
  ASSERT_EQ(leased.number, old.number);
  for (int i = 0; i < 100; ++i) {
    ASSERT_NE(publish_pattern(writer, 5000), 0u);
    ASSERT_TRUE(is_pattern(leased)) << "after " << i << " further frames";
  }
  EXPECT_TRUE(local.reader.lease_valid(leased));
  local.reader.release(leased);
}

// A hostile page: any number at all, always just ahead of the writer.
TEST(Lease, LiesInTheCellsCostTheWriterABoundedNumberOfSteps) {
  RingWriter writer(small_ring(65536, 64));
  std::vector<std::unique_ptr<LocalReader>> hostile;
  for (std::uint64_t id = 1; id <= 16; ++id) {
    hostile.push_back(std::make_unique<LocalReader>(writer, id));
  }
  LocalReader honest(writer, 99);
  std::uint64_t random = 12345;
  Frame frame;
  for (int round = 0; round < 3000; ++round) {
    for (auto& local : hostile) {
      for (auto& cell : local->page.lease) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const std::uint64_t head = writer.head();
        cell.store(random >> 60 == 0 ? random : head - (random >> 58) % (head + 1));
      }
    }
    ASSERT_NE(publish_pattern(writer, 64 + random % 12000), 0u);
    ASSERT_EQ(honest.copy(frame), ReadOutcome::frame);
    ASSERT_TRUE(is_pattern(frame));
    ASSERT_EQ(frame.lost_before, 0u);
  }
}

}  // namespace
}  // namespace framering::test
