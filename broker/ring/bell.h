// SPDX-License-Identifier: Apache-2.0
//
// Wakes readers that sleep: futex, eventfd or line, each rung by the publishing thread while that
// is cheap, and by a separate ringer thread once a neighbour has made it dear.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "reader_table.h"

struct io_uring;

namespace framering {

// A ring that took longer than this is suspect: from then on the reader's rings are timed by CPU
// time (which preemption does not falsify), and kDearRings over the limit move the reader to the
// ringer, provided that poking the ringer is cheaper: on some machines waking any sleeping core
// costs as much. One alone proves nothing: what a hypervisor takes away counts as CPU time.
inline constexpr std::int64_t kDearRingNs = 50'000;
// When the usual ring of everybody costs more CPU time than this, all ringing moves to the ringer,
// with the same proviso.
inline constexpr std::int64_t kDearUsualRingNs = 20'000;
inline constexpr std::uint64_t kRingsElsewhere = 2048;  // for so many rings
inline constexpr std::int64_t kDearAgainstPoke = 3;     // "cheaper" means by this factor
inline constexpr std::uint32_t kSuspectRings = 32;      // how long a suspicion lasts
inline constexpr std::uint32_t kDearRings = 3;          // so many of them confirm it
inline constexpr std::uint32_t kUsualRingSample = 64;   // one ring in so many is timed by CPU time
inline constexpr std::size_t kSlowUids = 16;  // users whose later readers start at the ringer
inline constexpr unsigned kUringEntries = 64;

class Bells {
 public:
  explicit Bells(ReaderTable& table);
  ~Bells();
  Bells(const Bells&) = delete;
  Bells& operator=(const Bells&) = delete;

  // --- Control thread, once for each reader, before it is added: starts what its bell needs.
  // Throws std::system_error when out of descriptors or threads.
  void prepare(Bell bell);

  // --- Publishing thread, inside a section of the table. Never waits, allocates or throws.
  void ring(ReaderEntry& entry) noexcept;
  // Ends one publish: rings the eventfds that were collected (several in one io_uring_enter), pokes
  // the ringer if it has work.
  void flush() noexcept;

  [[nodiscard]] std::uint64_t rung() const noexcept { return rung_; }
  [[nodiscard]] std::uint64_t by_ringer() const noexcept { return by_ringer_; }
  // How eventfds are rung: true when an io_uring could be set up.
  [[nodiscard]] bool uses_uring() const noexcept {
    return uring_.load(std::memory_order_acquire) != nullptr;
  }

 private:
  void ring_timed(ReaderEntry& entry) noexcept;
  void move_to_ringer(ReaderEntry& entry) noexcept;
  [[nodiscard]] bool poke_is_cheaper_than(std::int64_t ring_ns) noexcept;
  void poke_ringer() noexcept;
  [[nodiscard]] bool is_slow(std::uint32_t uid) const noexcept;
  void flush_events() noexcept;
  void run_ringer();

  ReaderTable& table_;
  // Publishing thread only.
  std::array<ReaderEntry*, kUringEntries> events_{};  // to be rung by flush
  std::size_t event_count_ = 0;
  bool ringer_has_work_ = false;
  std::uint64_t all_by_ringer_until_ = 0;  // a value of rung_
  std::uint64_t rung_ = 0;
  std::uint64_t by_ringer_ = 0;
  std::int64_t usual_cost_ns_ = 0;  // moving average of CPU time
  std::array<std::uint32_t, kSlowUids> slow_uids_{};
  std::size_t slow_uid_count_ = 0;

  // Made by the control thread, then used by the publishing thread alone. Null: plain write(2).
  std::atomic<io_uring*> uring_{nullptr};
  std::unique_ptr<io_uring> uring_owned_;
  bool uring_tried_ = false;

  // What the ringer sleeps on: an eventfd that no other process has. A futex would do, but for the
  // kernel's table of futex waits, which a neighbour can crowd.
  Fd ringer_event_;
  std::atomic<bool> stopping_{false};
  std::thread ringer_;
};

}  // namespace framering
