// SPDX-License-Identifier: Apache-2.0
//
// Attacks on the wake-up: the one thing that publish does for a reader.
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <stdexcept>

#include "hostile_attack.h"

namespace framering::test {
namespace {

// From linux/futex.h of 5.16 and later.
struct FutexWaiter {
  std::uint64_t value = 0;
  std::uint64_t address = 0;
  std::uint32_t flags = 2;  // 32 bits wide, shared between processes
  std::uint32_t reserved = 0;
};
constexpr std::size_t kWaitersAtOnce = 128;  // FUTEX_WAITV_MAX
#ifdef SYS_futex_waitv
constexpr long kFutexWaitv = SYS_futex_waitv;
#else
constexpr long kFutexWaitv = 449;
#endif

void fill(int event) {
  ::eventfd_write(event, UINT64_MAX - 1);
}

void set_blocking(int fd, bool blocking) {
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

// The one attack that works, and why the access list exists: publish is held until the producer
// finds the eventfd blocking. It lets go of the reader then, and its user gets no other eventfd.
void fill_blocking_eventfd(const Neighbourhood& where) {
  for (;;) {
    auto& reader = *new HostileReader(where, Bell::eventfd);  // never freed: the process is killed
    if (reader.bell_kind == Bell::eventfd) {
      fill(reader.event.get());
      set_blocking(reader.event.get(), true);
      where.score->tries.fetch_add(1);
    }
    reader.ask_for_every_ring();
    where.score->ready.store(1);
    while (reader.is_served()) nap_us(1'000);
  }
}

void toggle_eventfd(const Neighbourhood& where) {
  HostileReader reader(where, Bell::eventfd);
  fill(reader.event.get());
  reader.ask_for_every_ring();
  where.score->ready.store(1);
  for (bool blocking = true;; blocking = !blocking) {  // goes on when it is no longer served
    set_blocking(reader.event.get(), blocking);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
}

// Many watchers on one open file: each write to it walks them all.
void watch(const Neighbourhood& where, int fd) {
  const std::size_t watchers = raise_descriptor_limit(where.full ? 20'000 : 5'000);
  for (std::size_t i = 0; i < watchers; ++i) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    if (epoll < 0 || ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0) break;
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
  where.score->ready.store(1);
}

void watch_line(const Neighbourhood& where) {
  HostileReader reader(where, Bell::line);
  reader.ask_for_every_ring();
  watch(where, reader.line.get());
  sleep_for_ever();
}

void watch_eventfd(const Neighbourhood& where) {
  HostileReader reader(where, Bell::eventfd);
  reader.ask_for_every_ring();
  watch(where, reader.event.get());
  sleep_for_ever();
}

// Starts a thread that costs little memory. False: no more are to be had.
bool start_thread(void* (*body)(void*), void* argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, PTHREAD_STACK_MIN + 16384);
  pthread_t thread;
  const bool started = pthread_create(&thread, &attributes, body, argument) == 0;
  pthread_attr_destroy(&attributes);
  return started;
}

void park_on_own_word(const Neighbourhood& where) {
  HostileReader reader(where, Bell::futex);
  const auto park = [](void* word) -> void* {
    const auto& count = *static_cast<const SharedU32*>(word);
    for (;;) {
      ::syscall(SYS_futex, word, FUTEX_WAIT, count.load(), nullptr, nullptr, 0);
    }
  };
  auto* const word = const_cast<SharedU32*>(&reader.bell->futex_word);
  for (int i = 0; i < (where.full ? 2'000 : 500) && start_thread(park, word); ++i) {
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
  reader.ask_for_every_ring();
  where.score->ready.store(1);
  sleep_for_ever();
}

// Fills the kernel's table of futex waits, wherever the hash puts them.
void crowd_the_futex_table(const Neighbourhood& where) {
  const std::size_t threads = where.full ? 7'813 : 64;  // 7,813 * 128 = a million and some
  const std::size_t bytes = threads * kWaitersAtOnce * 64;
  void* const words = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (words == MAP_FAILED) throw std::runtime_error("no room for futex words");
  const auto park = [](void* first) -> void* {
    FutexWaiter waiters[kWaitersAtOnce];
    for (std::size_t i = 0; i < kWaitersAtOnce; ++i) {
      waiters[i].address = reinterpret_cast<std::uintptr_t>(first) + i * 64;
    }
    ::syscall(kFutexWaitv, waiters, kWaitersAtOnce, 0, nullptr, CLOCK_MONOTONIC);
    sleep_for_ever();
  };
  for (std::size_t i = 0; i < threads; ++i) {
    if (!start_thread(park, static_cast<char*>(words) + i * kWaitersAtOnce * 64)) break;
    where.score->tries.fetch_add(kWaitersAtOnce, std::memory_order_relaxed);
  }
  where.score->ready.store(1);
  sleep_for_ever();
}

void ask_and_never_come(const Neighbourhood& where) {
  HostileReader reader(where, Bell::line);
  where.score->ready.store(1);
  for (;; where.score->tries.fetch_add(1, std::memory_order_relaxed)) reader.arm();
}

void stop(const Neighbourhood& where) {
  HostileReader reader(where, Bell::futex);
  reader.arm();
  where.score->ready.store(1);
  for (;;) ::raise(SIGSTOP);
}

}  // namespace

std::vector<Attack> bell_attacks() {
  return {
      {"ItIsStopped", "", Standing::stranger, stop},
      {"AStrangerAsksForAnEventfdToFill", "eventfds got", Standing::stranger,
       fill_blocking_eventfd},
      {"ATrustedReaderFillsABlockingEventfd", "eventfds got", Standing::trusted,
       fill_blocking_eventfd},
      {"ATrustedReaderTogglesAFullEventfd", "toggles", Standing::trusted, toggle_eventfd},
      {"CrowdsOfEpollsWatchItsLine", "epolls", Standing::stranger, watch_line},
      {"CrowdsOfEpollsWatchItsEventfd", "epolls", Standing::trusted, watch_eventfd},
      {"CrowdsOfThreadsWaitOnItsFutexWord", "threads", Standing::stranger, park_on_own_word},
      {"CrowdsOfFutexWaitsAreHashedAnywhere", "waits", Standing::stranger, crowd_the_futex_table},
      {"ItAsksForEveryRingAndNeverComes", "times armed", Standing::stranger, ask_and_never_come},
  };
}

}  // namespace framering::test
