// SPDX-License-Identifier: Apache-2.0
//
// Attacks through the shared memory: what a reader may write, and what it may not.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <new>
#include <random>

#include "hostile_attack.h"

namespace framering::test {
namespace {

void write_random_words(const Neighbourhood& where) {
  HostileReader reader(where, Bell::futex);
  auto* const words = reinterpret_cast<SharedU64*>(reader.page_segment.data());
  std::mt19937_64 random(0xF4A3);
  where.score->ready.store(1);
  for (std::uint64_t written = 0;; ++written) {
    const std::uint64_t word = random();
    // Small numbers as well: they look like frames, cells and flags.
    const std::uint64_t small = word >> 40;
    words[word % (kPageBytes / 8)].store((word & 1024) != 0 ? word : small % 4096,
                                         std::memory_order_relaxed);
    if (written % 4096 == 0) where.score->tries.fetch_add(4096, std::memory_order_relaxed);
  }
}

// Leases `cells` frames from the oldest one that is kept, all of them in the writer's way, and
// never lets go.
void hold(const Neighbourhood& where, std::uint32_t cells) {
  HostileReader reader(where, Bell::futex);
  const std::uint64_t head = reader.view.head();
  const std::uint64_t oldest = reader.view.oldest_kept(1, head);
  for (std::uint32_t cell = 0; cell < cells; ++cell) {
    reader.page.lease[cell].store(oldest + 8 + cell * 4, std::memory_order_release);
    where.score->tries.fetch_add(1, std::memory_order_relaxed);
  }
  where.score->ready.store(1);
  sleep_for_ever();
}

void hold_within_budget(const Neighbourhood& where) {
  hold(where, 4);
}

void hold_over_budget(const Neighbourhood& where) {
  hold(where, kMaxLeaseCells);  // more than the cells it has: the rest must mean nothing
}

void lease_just_ahead(const Neighbourhood& where) {
  HostileReader reader(where, Bell::futex);
  where.score->ready.store(1);
  for (;;) {
    const std::uint64_t oldest = reader.view.oldest_kept(1, reader.view.head());
    for (std::uint32_t cell = 0; cell < reader.view.lease_cells(); ++cell) {
      reader.page.lease[cell].store(oldest + cell, std::memory_order_seq_cst);
    }
    where.score->tries.fetch_add(reader.view.lease_cells(), std::memory_order_relaxed);
  }
}

// As its page: a memfd that could be taken away or that makes its readers allocate, and one that it
// shrinks and grows all the while.
void hand_over_broken_pages(const Neighbourhood& where) {
  alignas(ReaderPage) std::byte bytes[2 * kPageBytes] = {};
  auto& page = *new (bytes) ReaderPage;
  page.layout_version = kLayoutVersion;
  page.magic.store(kReaderPageMagic);
  const Fd shrinking = broken_memfd(bytes, sizeof bytes, MemoryFault::unsealed);
  std::thread([fd = shrinking.get()] {
    for (;;) {
      (void)!::ftruncate(fd, 0);
      (void)!::ftruncate(fd, sizeof bytes);
    }
  }).detach();
  where.score->ready.store(1);
  for (std::uint64_t round = 0;; ++round, nap_us(5'000)) {
    const std::uint64_t fault = round % (kMemoryFaults + 1);
    const Fd broken = broken_memfd(bytes, sizeof bytes, static_cast<MemoryFault>(fault));
    RawPeer peer(where.dir, Role::consumer);
    peer.attach(kStream, fault == kMemoryFaults ? shrinking.get() : broken.get(), Bell::futex);
    if (peer.wait() == Received::message && peer.inbox.message().isAttached()) {
      where.score->successes.fetch_add(1);
    }
    where.score->tries.fetch_add(1);
  }
}

// Every way to take away, move or change the memory behind `fd`. Returns how many worked.
std::uint64_t disturb(int fd, const std::byte* mapped, std::size_t bytes) {
  const auto length = static_cast<off_t>(bytes);
  std::uint64_t worked = 0;
  const auto count = [&](bool success) { worked += success ? 1 : 0; };
  count(::ftruncate(fd, 0) == 0);
  count(::ftruncate(fd, length + 4096) == 0);
  count(::fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, length) == 0);
  count(::fallocate(fd, FALLOC_FL_ZERO_RANGE, 0, length) == 0);
  count(::fallocate(fd, FALLOC_FL_COLLAPSE_RANGE, 0, 4096) == 0);
  count(::fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
  count(::pwrite(fd, "x", 1, 0) == 1);
  count(::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) != MAP_FAILED);
  count(::madvise(const_cast<std::byte*>(mapped), bytes, MADV_REMOVE) == 0);
  char path[64];
  std::snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
  const Fd again(::open(path, O_RDWR | O_TRUNC | O_CLOEXEC));
  struct stat status {};
  count(::fstat(fd, &status) == 0 && status.st_size != length);
  count(again.valid() && ::pwrite(again.get(), "x", 1, 0) == 1);
  return worked;
}

void disturb_everything(const Neighbourhood& where) {
  HostileReader reader(where, Bell::futex);
  where.score->ready.store(1);
  for (;;) {
    std::uint64_t worked = disturb(reader.ring_fd.get(), reader.ring.data(), reader.ring.bytes());
    worked += disturb(reader.bell_fd.get(), reader.bell_segment.data(), kPageBytes);
    worked += disturb(reader.page_segment.fd(), reader.page_segment.data(), kPageBytes);
    where.score->successes.fetch_add(worked, std::memory_order_relaxed);
    where.score->tries.fetch_add(33, std::memory_order_relaxed);
    // What belongs to the open file is shared with the other side.
    for (const int fd : {reader.ring_fd.get(), reader.bell_fd.get(), reader.line.get()}) {
      ::fchmod(fd, 0);
      ::fcntl(fd, F_SETFL, O_ASYNC);
      ::fcntl(fd, F_SETLEASE, F_WRLCK);
    }
    constexpr int kLeast = 1;
    ::setsockopt(reader.line.get(), SOL_SOCKET, SO_RCVBUF, &kLeast, sizeof kLeast);
    ::setsockopt(reader.line.get(), SOL_SOCKET, SO_SNDBUF, &kLeast, sizeof kLeast);
  }
}

}  // namespace

std::vector<Attack> memory_attacks() {
  return {
      {"ItWritesRandomWordsIntoItsPage", "words", Standing::stranger, write_random_words},
      {"ItHoldsLeasesForEver", "leases", Standing::stranger, hold_within_budget},
      {"ItHoldsLeasesOverItsBudget", "leases", Standing::stranger, hold_over_budget},
      {"ItLeasesJustAheadOfTheWriter", "leases", Standing::stranger, lease_just_ahead},
      {"ItHandsOverBrokenPages", "pages", Standing::stranger, hand_over_broken_pages},
      {"ItDisturbsEverythingThatItHolds", "tries", Standing::stranger, disturb_everything},
  };
}

}  // namespace framering::test
