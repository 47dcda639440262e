// SPDX-License-Identifier: Apache-2.0
//
// What happens when an allocation or an epoll watch cannot be had: each one in turn, on either side
// of the control plane, while a reader attaches. It is short for a moment only, so the reader must
// be served in the end: a message that was lost half-way would keep it waiting for ever.
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <new>

#include "control_fixture.h"

namespace {

// How many go well before one fails; negative: none fails any more.
std::atomic<int> allocations_left{-1};
std::atomic<int> watches_left{-1};
thread_local bool spared = false;

bool fails(std::atomic<int>& left) noexcept {
  return !spared && left.load(std::memory_order_relaxed) >= 0 &&
         left.fetch_sub(1, std::memory_order_relaxed) == 0;
}

}  // namespace

void* operator new(std::size_t bytes) {
  void* const memory = fails(allocations_left) ? nullptr : std::malloc(bytes == 0 ? 1 : bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

extern "C" int epoll_ctl(int epoll, int operation, int fd, epoll_event* event) noexcept {
  if (operation == EPOLL_CTL_ADD && fails(watches_left)) {
    errno = ENOSPC;
    return -1;
  }
  return static_cast<int>(::syscall(SYS_epoll_ctl, epoll, operation, fd, event));
}

namespace framering::test {
namespace {

class ControlShortage : public ::testing::Test {
 protected:
  ControlShortage() { spared = true; }
  ~ControlShortage() noexcept override { spared = false; }

  // A reader that waits for the stream, then the stream, then a frame.
  [[nodiscard]] bool reader_is_served() {
    std::unique_ptr<StreamReader> reader;
    std::unique_ptr<StreamWriter> writer;
    Frame frame;
    bool served = false;
    return eventually([&] {
      spared = false;
      try {
        if (!reader) reader = std::make_unique<StreamReader>(reader_options(dir.path()));
        served = reader->next(frame, 1ms) == ReadResult::frame;
      } catch (const std::exception&) {  // it is told, and tries again
      }
      spared = true;
      if (reader && !writer) {
        std::this_thread::sleep_for(2ms);  // the broker has its wish
        writer = std::make_unique<StreamWriter>(writer_options(dir.path()));
      }
      if (writer) publish_pattern(*writer, 1);
      return served;
    });
  }

  // For each that is made on the way. Returns their number.
  [[nodiscard]] int each_fails_once(std::atomic<int>& left) {
    EXPECT_TRUE(reader_is_served());  // the broker is at work: it may fail while it starts
    for (int n = 0;; ++n) {
      left = n;
      const bool served = reader_is_served();
      const bool failed = left.exchange(-1) < 0;
      EXPECT_TRUE(served) << "after the failure of number " << n;
      if (!served || !failed) return n;
    }
  }

  TempDir dir;
  BrokerThread broker{broker_options(dir.path())};
};

TEST_F(ControlShortage, ReadersAreServedWhicheverAllocationFails) {
  EXPECT_GT(each_fails_once(allocations_left), 25);
}

TEST_F(ControlShortage, ReadersAreServedWhicheverEpollWatchFails) {
  EXPECT_GT(each_fails_once(watches_left), 5);
}

}  // namespace
}  // namespace framering::test
