// SPDX-License-Identifier: Apache-2.0
//
// Readers that copy a large frame while its writer still copies (trail.h).
#include <atomic>
#include <cstring>
#include <thread>

#include "ring/cores.h"
#include "ring/trail.h"
#include "ring_fixture.h"

namespace framering::test {
namespace {

constexpr std::size_t kBytes = 2 * kTrailBytes;
constexpr std::size_t kHalf = kBytes / 2;

std::vector<std::byte> pattern(std::uint64_t number) {
  std::vector<std::byte> bytes(kBytes);
  write_pattern(bytes, number);
  return bytes;
}

class RingTrail : public ::testing::Test {
 protected:
  RingTrail() : writer(small_ring(4 * kBytes + (1u << 20))), local(writer, 1) {
    local.reader.set_trailing(true);
  }

  // Reserves room for the next frame and fills its first half.
  std::span<std::byte> half_of(std::span<const std::byte> bytes) {
    const std::span<std::byte> room = writer.reserve(bytes.size());
    writer.fill(0, bytes.first(kHalf));
    return room;
  }
  // What a lying producer would do. The writer under test never reads these words.
  RingHeader& header() { return const_cast<RingHeader&>(writer.header()); }

  RingWriter writer;
  LocalReader local;
  Frame frame;
};

TEST_F(RingTrail, CopiesWhatIsThereBeforeTheFrameIsPublished) {
  const std::vector<std::byte> bytes = pattern(1);
  const std::span<std::byte> room = half_of(bytes);
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  EXPECT_EQ(std::memcmp(local.buffer.data(), bytes.data(), kHalf), 0);
  // Against the rules, to see what the reader has: not these any more.
  std::ranges::fill(room.first(kHalf), std::byte{0});
  writer.fill(kHalf, std::span(bytes).subspan(kHalf));
  ASSERT_EQ(writer.commit(kBytes, key_meta()), 1u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.bytes.size(), kBytes);
  EXPECT_TRUE(is_pattern(frame));
}

TEST_F(RingTrail, NothingMayBeFilledInAsWell) {
  const std::vector<std::byte> bytes = pattern(1);
  (void)writer.reserve(kBytes);
  writer.fill(0, {});
  writer.fill(0, bytes);
  writer.fill(kBytes, {});
  ASSERT_EQ(writer.commit(kBytes, key_meta()), 1u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(is_pattern(frame));
}

TEST_F(RingTrail, OnlyWhoIsToldToDoesSo) {
  local.reader.set_trailing(false);
  std::ranges::fill(local.buffer, std::byte{0});
  const std::vector<std::byte> bytes = pattern(1);
  (void)half_of(bytes);
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  EXPECT_NE(std::memcmp(local.buffer.data(), bytes.data(), kHalf), 0);
}

TEST_F(RingTrail, AFrameThatIsGivenUpIsNotTakenForTheNextOne) {
  (void)half_of(pattern(7));
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  ASSERT_EQ(writer.publish(pattern(1), key_meta()), 1u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(is_pattern(frame));
  // As large as before, but too small for anybody to be told of it.
  (void)half_of(pattern(7));
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  ASSERT_EQ(publish_pattern(writer, kTrailBytes - 1), 2u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(is_pattern(frame));
}

TEST_F(RingTrail, AFrameOfAnotherRingAtTheSamePlaceIsNotTakenForIt) {
  (void)half_of(pattern(7));
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  RingWriter next(small_ring(4 * kBytes + (1u << 20)));
  LocalReader beside(next, 1);
  local.reader.detach();
  local.reader.attach(beside.reader.ring(),
                      reinterpret_cast<const BellPage*>(beside.bell_page.data()), Start::oldest,
                      true);
  ASSERT_EQ(next.publish(pattern(1), key_meta()), 1u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_TRUE(is_pattern(frame));
}

TEST_F(RingTrail, AFrameMayBeShorterThanWhatWasReserved) {
  std::vector<std::byte> bytes(kBytes);
  write_pattern(std::span(bytes).first(kHalf - 1000), 1);
  (void)half_of(bytes);
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);
  ASSERT_EQ(writer.commit(kHalf - 1000, key_meta()), 1u);
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  EXPECT_EQ(frame.bytes.size(), kHalf - 1000);
  EXPECT_TRUE(is_pattern(frame));
}

TEST_F(RingTrail, AProducerThatLiesAboutItChangesNothing) {
  const auto still_whole = [&](std::uint64_t n) {
    (void)local.copy(frame);
    ASSERT_EQ(publish_pattern(writer, 3000), n);
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
    EXPECT_EQ(frame.number, n);
    EXPECT_TRUE(is_pattern(frame));
  };
  std::uint64_t n = 0;
  for (const std::uint64_t position :
       {std::uint64_t{0}, std::uint64_t{64}, std::uint64_t{1}, 4 * kBytes - 64, ~std::uint64_t{0},
        std::uint64_t{1} << 63}) {
    for (const std::uint64_t bytes : {std::uint64_t{0}, std::uint64_t{kBytes}, ~std::uint64_t{0}}) {
      for (const std::uint64_t arrived : {position + kBytes, ~std::uint64_t{0}, std::uint64_t{0}}) {
        ++n;
        header().arriving_position.store(position, std::memory_order_relaxed);
        header().arriving_bytes.store(bytes, std::memory_order_relaxed);
        header().arrived.store(arrived, std::memory_order_relaxed);
        header().arriving.store(n, std::memory_order_release);
        still_whole(n);
      }
    }
  }
}

TEST_F(RingTrail, WhoSleepsIsRungWhenItBeginsAndAgainWhenItIsThere) {
  if (usable_cores() < 2) GTEST_SKIP() << "nobody is rung early where there is one core";
  const auto rung = [&] { return writer.header().bells_rung.load(std::memory_order_relaxed); };
  std::uint32_t word = 0;
  ASSERT_TRUE(local.reader.arm(word));
  const std::vector<std::byte> bytes = pattern(1);
  (void)half_of(bytes);
  EXPECT_EQ(rung(), 1u);
  local.reader.disarm();
  EXPECT_EQ(local.copy(frame), ReadOutcome::nothing);  // interrupted writer: sleep on
  ASSERT_TRUE(local.reader.arm(word));
  writer.fill(kHalf, std::span(bytes).subspan(kHalf));
  EXPECT_EQ(rung(), 1u) << "once for each frame";
  ASSERT_EQ(writer.commit(kBytes, key_meta()), 1u);
  EXPECT_EQ(rung(), 2u);
}

TEST_F(RingTrail, NobodyElseIsRungEarly) {
  LocalReader sleeper(writer, 2);
  std::uint32_t word = 0;
  ASSERT_TRUE(sleeper.reader.arm(word));
  const std::vector<std::byte> bytes = pattern(1);
  (void)half_of(bytes);
  EXPECT_EQ(writer.header().bells_rung.load(std::memory_order_relaxed), 0u);
  ASSERT_EQ(writer.commit(kBytes, key_meta()), 1u);
  EXPECT_EQ(writer.header().bells_rung.load(std::memory_order_relaxed), 1u);
}

TEST_F(RingTrail, NoEarlyBellIsAskedForWhereItNeverComesInTime) {
  std::uint32_t word = 0;
  const auto asks = [&] {
    EXPECT_TRUE(local.reader.arm(word));
    local.reader.disarm();
    return local.page.wake_early.load(std::memory_order_relaxed) != 0;
  };
  for (std::uint32_t i = 0; i < kLateBells; ++i) {
    EXPECT_TRUE(asks()) << i;
    ASSERT_NE(publish_pattern(writer, kTrailBytes), 0u);  // there at once, for all we see
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  }
  EXPECT_FALSE(asks());
  for (std::uint32_t i = 0; i < kEarlyPause; ++i) {
    ASSERT_NE(publish_pattern(writer, 64), 0u);
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  }
  EXPECT_TRUE(asks()) << "it is tried again";
}

// Threads, sleeping and trailing as StreamReader does it, beside a writer that goes on.
TEST_F(RingTrail, FramesAreWholeWhileWriterAndReadersCopyAtOnce) {
  constexpr std::uint64_t kFrames = 60;
  LocalReader second(writer, 2, Policy::newest);
  second.reader.set_trailing(true);
  std::atomic<int> bad{0};
  const auto read = [&](LocalReader& reader) {
    Frame mine;
    while (mine.number < kFrames) {
      std::uint32_t word = 0;
      if (reader.copy(mine) == ReadOutcome::frame) {
        if (!is_pattern(mine)) ++bad;
      } else if (reader.reader.arm(word)) {
        reader.reader.sleep(word, 1'000'000'000);
        reader.reader.disarm();
      }
    }
  };
  std::thread first_thread([&] { read(local); });
  std::thread second_thread([&] { read(second); });
  for (std::uint64_t n = 1; n <= kFrames; ++n) {
    ASSERT_EQ(writer.publish(pattern(n), key_meta()), n);
    if (n % 4 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  first_thread.join();
  second_thread.join();
  EXPECT_EQ(bad, 0);
}

}  // namespace
}  // namespace framering::test
