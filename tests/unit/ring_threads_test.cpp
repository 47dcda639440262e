// SPDX-License-Identifier: Apache-2.0
//
// Writer, readers, and a control thread that attaches and removes readers all the while, at full
// speed. Checksums judge. On x86 this does not find a missing fence (tests/model does); it finds
// wrong logic, and under ThreadSanitizer what the producer's own threads do to each other.
#include <atomic>
#include <chrono>
#include <thread>

#include "ring_fixture.h"

namespace framering::test {
namespace {

constexpr std::uint64_t kFrames = 30'000;

void read_until(LocalReader& local, std::uint64_t last, bool lease, const std::atomic<bool>& done) {
  Frame frame;
  std::uint64_t accounted = 0;
  while (accounted < last) {
    const ReadOutcome outcome = lease ? local.reader.lease_next(frame) : local.copy(frame);
    if (outcome == ReadOutcome::frame) {
      const ::testing::AssertionResult whole = is_pattern(frame);
      const bool valid = local.reader.lease_valid(frame);
      local.reader.release(frame);
      ASSERT_TRUE(whole || !valid) << whole.message();
      ASSERT_EQ(frame.number, accounted + frame.lost_before + 1);
      accounted = frame.number;
      continue;
    }
    ASSERT_EQ(outcome, ReadOutcome::nothing);
    if (done.load() && local.reader.ring().head() <= accounted) return;
    std::uint32_t word = 0;
    if (local.reader.arm(word)) local.reader.sleep(word, 1'000'000'000);
    local.reader.disarm();
  }
}

TEST(RingThreads, EveryFrameIsWholeOrCountedWhileReadersComeAndGo) {
  RingWriter writer(small_ring(262144, 64));
  std::atomic<bool> done{false};
  std::vector<std::unique_ptr<LocalReader>> readers;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    readers.push_back(std::make_unique<LocalReader>(writer, id));
  }
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < readers.size(); ++i) {
    threads.emplace_back([&, i] { read_until(*readers[i], kFrames, i % 2 == 0, done); });
  }
  std::thread control([&] {  // what the producer's control thread does
    for (std::uint64_t id = 100; !done.load(); ++id) {
      LocalReader visitor(writer, id);
      Frame frame;
      for (int i = 0; i < 8; ++i) (void)visitor.reader.lease_next(frame);
      EXPECT_TRUE(writer.readers().remove(id));
    }
  });
  for (std::uint64_t n = 1; n <= kFrames; ++n) {
    ASSERT_EQ(publish_pattern(writer, 64 + n * 131 % 20'000), n);
  }
  done.store(true);
  writer.set_state(SourceState::ended);  // wakes who sleeps
  control.join();
  for (std::thread& thread : threads) thread.join();
  for (const auto& local : readers) {
    EXPECT_EQ(local->reader.counts().delivered + local->reader.counts().lost(), kFrames);
    EXPECT_GT(local->reader.counts().delivered, 0u);
  }
  RecordProperty("stepped_over", static_cast<int>(writer.header().leases_stepped_over.load()));
  RecordProperty("revoked", static_cast<int>(writer.header().leases_revoked.load()));
}

}  // namespace
}  // namespace framering::test
