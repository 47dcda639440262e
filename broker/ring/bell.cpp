// SPDX-License-Identifier: Apache-2.0
#include "ring/bell.h"

#include <liburing.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <new>
#include <system_error>
#include <utility>

#include "ring/futex.h"
#include "ring/probes.h"
#include "ring/quiet_thread.h"

namespace framering {
namespace {

constexpr std::uint64_t kOne = 1;
constexpr auto kShortOfMemoryPause = std::chrono::milliseconds(1);

std::int64_t now_ns(clockid_t clock) noexcept {
  timespec time{};
  ::clock_gettime(clock, &time);
  return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
}

// One bell, whatever it costs.
void strike(ReaderEntry& entry) noexcept {
  switch (entry.bell_kind) {
    case Bell::futex:
      // release: pairs with the sleeper's load of the word before it armed; see reader.cpp,
      // S-steps.
      entry.bell->futex_word.fetch_add(1, std::memory_order_release);
      futex_wake(entry.bell->futex_word);
      break;
    case Bell::eventfd:
      entry.event_in_hand.store(true, std::memory_order_relaxed);
      (void)!::write(entry.event.get(), &kOne, sizeof kOne);
      entry.event_in_hand.store(false, std::memory_order_relaxed);
      break;
    case Bell::line:
      nudge_line(entry.line.get());
      break;
  }
}

void suspect(ReaderEntry& entry) noexcept {
  entry.suspect_rings = kSuspectRings;
  entry.dear_rings = 0;
}

}  // namespace

Bells::Bells(ReaderTable& table) : table_(table) {}

Bells::~Bells() {
  if (ringer_.joinable()) {
    stopping_.store(true, std::memory_order_release);
    poke_ringer();
    ringer_.join();
  }
  if (uring_owned_) io_uring_queue_exit(uring_owned_.get());
}

void Bells::prepare(Bell bell) {
  if (!ringer_.joinable()) {
    ringer_event_ = Fd(::eventfd(0, EFD_CLOEXEC));
    if (!ringer_event_) throw std::system_error(errno, std::generic_category(), "eventfd");
    ringer_ = quiet_thread([this] { run_ringer(); });
  }
  if (bell == Bell::eventfd && !uring_tried_) {
    uring_tried_ = true;
    auto ring = std::make_unique<io_uring>();
    // Whatever the error (no io_uring, seccomp, memory lock limit before 5.12): write(2) does it
    // too.
    if (io_uring_queue_init(kUringEntries, ring.get(), 0) == 0) {
      uring_owned_ = std::move(ring);
      uring_.store(uring_owned_.get(), std::memory_order_release);
    }
  }
}

void Bells::ring(ReaderEntry& entry) noexcept {
  ++rung_;
  FRAMERING_PROBE2(bell, entry.pid, static_cast<std::uint32_t>(entry.bell_kind));
  // relaxed: only this thread sets it.
  if (!entry.by_ringer.load(std::memory_order_relaxed) && slow_uid_count_ != 0 &&
      is_slow(entry.uid)) {
    entry.by_ringer.store(true, std::memory_order_relaxed);
  }
  if (entry.by_ringer.load(std::memory_order_relaxed) || rung_ < all_by_ringer_until_) {
    ++by_ringer_;
    // release: the ringer that sees it due also sees the head that made it so.
    entry.ring_due.store(true, std::memory_order_release);
    ringer_has_work_ = true;
  } else if (entry.bell_kind == Bell::eventfd && event_count_ < events_.size() &&
             entry.suspect_rings == 0) {
    events_[event_count_++] = &entry;
  } else {
    ring_timed(entry);
  }
}

void Bells::ring_timed(ReaderEntry& entry) noexcept {
  const bool by_cpu = entry.suspect_rings != 0 || rung_ % kUsualRingSample == 0;
  const clockid_t clock = by_cpu ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC;
  const std::int64_t begin = now_ns(clock);
  strike(entry);
  const std::int64_t cost = now_ns(clock) - begin;
  if (by_cpu) {
    usual_cost_ns_ += (std::min(cost, 4 * kDearUsualRingNs) - usual_cost_ns_) / 16;
    if (usual_cost_ns_ > kDearUsualRingNs && poke_is_cheaper_than(usual_cost_ns_)) {
      all_by_ringer_until_ = rung_ + kRingsElsewhere;  // then we look whether it is over
      usual_cost_ns_ = 0;
    }
  }
  const bool dear = cost > kDearRingNs;
  if (entry.suspect_rings == 0) {
    if (dear) suspect(entry);
    return;
  }
  --entry.suspect_rings;
  if (dear && ++entry.dear_rings >= kDearRings && poke_is_cheaper_than(cost)) move_to_ringer(entry);
}

void Bells::poke_ringer() noexcept {
  ::eventfd_write(ringer_event_.get(), 1);  // never full: the ringer reads it, and nobody else
}

// Pokes it for nothing, to see what that costs here and now.
bool Bells::poke_is_cheaper_than(std::int64_t ring_ns) noexcept {
  const std::int64_t begin = now_ns(CLOCK_THREAD_CPUTIME_ID);
  poke_ringer();
  return (now_ns(CLOCK_THREAD_CPUTIME_ID) - begin) * kDearAgainstPoke < ring_ns;
}

void Bells::move_to_ringer(ReaderEntry& entry) noexcept {
  entry.by_ringer.store(true, std::memory_order_relaxed);
  if (!is_slow(entry.uid) && slow_uid_count_ < slow_uids_.size()) {
    slow_uids_[slow_uid_count_++] = entry.uid;
  }
}

bool Bells::is_slow(std::uint32_t uid) const noexcept {
  const auto end = slow_uids_.begin() + static_cast<std::ptrdiff_t>(slow_uid_count_);
  return std::find(slow_uids_.begin(), end, uid) != end;
}

void Bells::flush() noexcept {
  if (event_count_ != 0) flush_events();
  if (std::exchange(ringer_has_work_, false)) poke_ringer();
}

void Bells::flush_events() noexcept {
  io_uring* const uring = uring_.load(std::memory_order_acquire);
  const std::size_t count = std::exchange(event_count_, 0);
  if (uring == nullptr || count == 1) {
    for (std::size_t i = 0; i < count; ++i) ring_timed(*events_[i]);
    return;
  }
  const std::int64_t begin = now_ns(CLOCK_MONOTONIC);
  for (std::size_t i = 0; i < count; ++i) {
    // Never null: kUringEntries are enough for events_, and none are left over from before.
    io_uring_sqe* const entry = io_uring_get_sqe(uring);
    events_[i]->event_in_hand.store(true, std::memory_order_relaxed);
    io_uring_prep_write(entry, events_[i]->event.get(), &kOne, sizeof kOne, 0);
  }
  // The kernel may take some of them only (short of memory, say): the rest once more.
  for (std::size_t taken = 0; taken < count;) {
    const int now_taken = io_uring_submit(uring);
    if (now_taken > 0) {
      taken += static_cast<std::size_t>(now_taken);
      continue;
    }
    // As without io_uring, from now on.
    uring_.store(nullptr, std::memory_order_release);
    for (; taken < count; ++taken) strike(*events_[taken]);
  }
  for (std::size_t i = 0; i < count; ++i) {
    events_[i]->event_in_hand.store(false, std::memory_order_relaxed);
  }
  io_uring_cqe* done = nullptr;
  while (io_uring_peek_cqe(uring, &done) == 0) io_uring_cqe_seen(uring, done);
  if (now_ns(CLOCK_MONOTONIC) - begin > kDearRingNs * static_cast<std::int64_t>(count)) {
    for (std::size_t i = 0; i < count; ++i) suspect(*events_[i]);  // who was it?
  }
}

void Bells::run_ringer() {
  while (true) {
    eventfd_t pokes = 0;
    ::eventfd_read(ringer_event_.get(), &pokes);
    if (stopping_.load(std::memory_order_acquire)) return;
    try {
      // Holding on to the entries keeps them mapped, however long a dear bell takes.
      for (const auto& entry : table_.entries()) {
        if (entry->ring_due.exchange(false, std::memory_order_acquire)) strike(*entry);
      }
    } catch (const std::bad_alloc&) {  // who is due stays so
      std::this_thread::sleep_for(kShortOfMemoryPause);
      poke_ringer();
    }
  }
}

}  // namespace framering
