// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <chrono>
#include <thread>

#include "ring/futex.h"
#include "ring_fixture.h"

namespace framering::test {
namespace {

bool readable(const Fd& fd) {
  pollfd poll_fd{fd.get(), POLLIN, 0};
  return ::poll(&poll_fd, 1, 0) == 1;
}

class Bells : public ::testing::TestWithParam<Bell> {};

INSTANTIATE_TEST_SUITE_P(EachKind, Bells, ::testing::Values(Bell::futex, Bell::eventfd, Bell::line),
                         [](const auto& instance) {
                           return instance.param == Bell::futex     ? "futex"
                                  : instance.param == Bell::eventfd ? "eventfd"
                                                                    : "line";
                         });

TEST_P(Bells, RingOnceForEachTimeAReaderArms) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1, Policy::every, Start::oldest, GetParam());
  const auto rung = [&] {
    return GetParam() == Bell::futex
               ? reinterpret_cast<const BellPage*>(local.bell_page.data())->futex_word.load() != 0
               : readable(GetParam() == Bell::eventfd ? local.event : local.line);
  };
  Frame frame;
  std::uint32_t word = 0;
  publish_pattern(writer, 100);
  EXPECT_FALSE(rung()) << "nobody sleeps";
  EXPECT_FALSE(local.reader.arm(word)) << "a frame is there";
  ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  ASSERT_TRUE(local.reader.arm(word));
  for (int i = 0; i < 10; ++i) publish_pattern(writer, 100);
  EXPECT_TRUE(rung());
  EXPECT_EQ(writer.header().bells_rung.load(), 1u) << "a reader that does not come costs one bell";
}

TEST_P(Bells, WakeEverySleeperForEachFrame) {
  RingWriter writer(small_ring());
  constexpr std::uint64_t kFrames = 300;
  std::vector<std::unique_ptr<LocalReader>> readers;
  for (std::uint64_t id = 1; id <= 4; ++id) {
    readers.push_back(
        std::make_unique<LocalReader>(writer, id, Policy::every, Start::oldest, GetParam()));
  }
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> seen{0};
  for (auto& local : readers) {
    threads.emplace_back([&seen, reader = local.get()] {
      Frame frame;
      while (reader->reader.counts().delivered < kFrames) {
        if (reader->copy(frame) == ReadOutcome::frame) {
          EXPECT_TRUE(is_pattern(frame));
          ++seen;
          continue;
        }
        std::uint32_t word = 0;
        if (!reader->reader.arm(word)) continue;
        if (GetParam() == Bell::futex) {
          reader->reader.sleep(word, std::int64_t{20} * 1'000'000'000);
        } else {
          const Fd& fd = GetParam() == Bell::eventfd ? reader->event : reader->line;
          pollfd poll_fd{fd.get(), POLLIN, 0};
          ASSERT_EQ(::poll(&poll_fd, 1, 20'000), 1) << "a wake-up was lost";
          char drain[64];
          while (::read(fd.get(), drain, sizeof drain) > 0) {
          }
        }
        reader->reader.disarm();
      }
    });
  }
  for (std::uint64_t n = 1; n <= kFrames; ++n) {
    ASSERT_EQ(publish_pattern(writer, 200), n);
    // Everybody has it before the next: each frame finds them asleep, or about to be.
    while (seen.load() < 4 * n) std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
  for (auto& local : readers) EXPECT_EQ(local->reader.counts().lost(), 0u);
  if (GetParam() == Bell::eventfd) {
    RecordProperty("io_uring", writer.bells().uses_uring() ? "used" : "not available");
  }
}

TEST(Bells, AChangeOfStateWakesWhoeverSleeps) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  std::uint32_t word = 0;
  ASSERT_TRUE(local.reader.arm(word));
  writer.set_state(SourceState::no_signal);
  const auto& bell = *reinterpret_cast<const BellPage*>(local.bell_page.data());
  EXPECT_NE(bell.futex_word.load(), word);
  EXPECT_EQ(local.reader.ring().state(), SourceState::no_signal);
  writer.set_state(SourceState::no_signal);
  EXPECT_EQ(writer.header().bells_rung.load(), 1u) << "the same state is no news";
  publish_pattern(writer, 100);
  EXPECT_EQ(writer.header().bells_rung.load(), 2u) << "the frame is";
}

TEST(Bells, AReaderMovedToTheRingerIsStillRung) {
  RingWriter writer(small_ring());
  LocalReader local(writer, 1);
  local.entry->by_ringer.store(true);
  Frame frame;
  for (int i = 0; i < 50; ++i) {
    std::uint32_t word = 0;
    ASSERT_TRUE(local.reader.arm(word));
    publish_pattern(writer, 100);
    const auto& bell = *reinterpret_cast<const BellPage*>(local.bell_page.data());
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (bell.futex_word.load() == word && std::chrono::steady_clock::now() < give_up) {
      local.reader.sleep(word, 100'000'000);
    }
    ASSERT_NE(bell.futex_word.load(), word);
    ASSERT_EQ(local.copy(frame), ReadOutcome::frame);
  }
  EXPECT_EQ(writer.header().bells_by_ringer.load(), 50u);
}

TEST(ReaderTable, RefusesAPageThatCouldFaultTheProducer) {
  RingWriter writer(small_ring());
  const auto add = [&](Fd fd) {
    NewReader newcomer;
    newcomer.id = 5;
    newcomer.reader_page = std::move(fd);
    return writer.readers().add(std::move(newcomer));
  };
  const auto memfd = [] { return Fd(::memfd_create("hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING)); };
  constexpr int kAll = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE | F_SEAL_SEAL;

  Fd unsealed = memfd();
  ASSERT_EQ(::posix_fallocate(unsealed.get(), 0, 4096), 0);
  EXPECT_NE(std::string(add(std::move(unsealed)).text).find("lacks a seal"), std::string::npos);
  Fd sparse = memfd();
  ASSERT_EQ(::ftruncate(sparse.get(), 4096), 0);
  ASSERT_EQ(::fcntl(sparse.get(), F_ADD_SEALS, kAll), 0);
  EXPECT_NE(std::string(add(std::move(sparse)).text).find("holes"), std::string::npos);
  // Blocks beyond the end are no substitute, and are gone afterwards.
  Fd beyond = memfd();
  ASSERT_EQ(::ftruncate(beyond.get(), 4096), 0);
  ASSERT_EQ(::fallocate(beyond.get(), FALLOC_FL_KEEP_SIZE, 4096, 4096), 0);
  ASSERT_EQ(::fcntl(beyond.get(), F_ADD_SEALS, kAll), 0);
  EXPECT_NE(std::string(add(std::move(beyond)).text).find("holes"), std::string::npos);
  Fd small = memfd();
  ASSERT_EQ(::posix_fallocate(small.get(), 0, 512), 0);
  ASSERT_EQ(::fcntl(small.get(), F_ADD_SEALS, kAll), 0);
  EXPECT_NE(std::string(add(std::move(small)).text).find("wrong length"), std::string::npos);
  Fd punchable = memfd();
  ASSERT_EQ(::posix_fallocate(punchable.get(), 0, 4096), 0);
  ASSERT_EQ(::fcntl(punchable.get(), F_ADD_SEALS, kAll & ~F_SEAL_FUTURE_WRITE), 0);
  EXPECT_NE(std::string(add(std::move(punchable)).text).find("lacks a seal"), std::string::npos);
  EXPECT_NE(
      std::string(add(Fd(::open("/dev/zero", O_RDWR | O_CLOEXEC))).text).find("shared memory"),
      std::string::npos);
  EXPECT_NE(std::string(add(Fd()).text).find("shared memory"), std::string::npos);
  Fd empty = memfd();
  ASSERT_EQ(::posix_fallocate(empty.get(), 0, 4096), 0);
  ASSERT_EQ(::fcntl(empty.get(), F_ADD_SEALS, kAll), 0);
  EXPECT_NE(std::string(add(std::move(empty)).text).find("magic"), std::string::npos);
  EXPECT_EQ(writer.readers().count(), 0u);
}

TEST(ReaderTable, HasALimitAndSaysSo) {
  RingOptions options = small_ring();
  options.max_readers = 2;
  RingWriter writer(options);
  LocalReader a(writer, 1);
  LocalReader b(writer, 2);
  NewReader third;
  third.id = 3;
  const auto page = make_reader_page();
  third.reader_page = Fd(::dup(page->fd()));
  EXPECT_EQ(writer.readers().add(std::move(third)).fault, AddFault::table_full);
  EXPECT_TRUE(writer.readers().remove(1));
  NewReader fourth;
  fourth.id = 2;
  fourth.reader_page = Fd(::dup(page->fd()));
  EXPECT_EQ(writer.readers().add(std::move(fourth)).fault, AddFault::id_in_use);
}

}  // namespace
}  // namespace framering::test
