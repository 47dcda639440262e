// SPDX-License-Identifier: Apache-2.0
//
// The producer's side of its readers: one entry each, in a table that the publishing thread scans
// without a lock while the control thread changes it.
//
//     publishing thread                       control thread
//  P1 section odd               relaxed    C1 table = new            release
//  P2 fence (W2, and after W6)  seq_cst    C2 fence                  seq_cst
//  P3 load table                acquire    C3 section even, or another one than before?   acquire
//  P4 scan                                 C4 mark `attached`, or unmap what was removed
//  P5 section even              release
//
// P2 with C2: either the publishing thread loads the new table, or C3 sees it inside a section and
//     waits for its end. Without them a reader could be told `attached` while a scan that does not
//     know it is still to come (its lease overwritten), or be unmapped under a scan (a fault in the
//     producer).
// P5 with C3: what the scan did happened before C4.
// The publishing thread never waits; the control thread waits for one reserve or commit at most.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <vector>

#include "fd.h"
#include "page_layout.h"
#include "segment.h"

namespace framering {

inline constexpr std::uint32_t kMaxReaders = 256;  // upper limit of WriterOptions::max_readers

// What the publishing thread remembers of a lease while it stands.
struct SeenLease {
  std::uint64_t number = 0;    // 0: none
  std::uint64_t position = 0;  // from the producer's own records, never from the reader
  std::uint32_t bytes = 0;
  bool revoked = false;
};

// One reader as its producer holds it. Words of the reader page are claims.
class ReaderEntry {
 public:
  // Immutable after construction.
  std::uint64_t id = 0;
  std::uint32_t uid = 0;
  std::uint32_t pid = 0;
  Bell bell_kind = Bell::futex;
  const ReaderPage* page = nullptr;
  BellPage* bell = nullptr;  // the only writer is the producer
  Fd line;                   // the producer's end
  Fd event;                  // eventfd, only with Bell::eventfd
  Fd page_fd;                // kept for the broker's restart

  // Publishing thread only. What every publish looks at stands beside `page`; `seen` is touched
  // only for leases: of 64 readers it would be 12 KiB that are cold each time a frame comes.
  std::uint64_t seen_cells = 0;  // bit c: seen[c].number is not 0
  std::uint64_t rung_for = 0;    // the wake_at that was answered last
  std::array<SeenLease, kMaxLeaseCells> seen{};

  // Ring cost: publishing thread only, but `by_ringer` and `ring_due`, which the ringer thread
  // shares.
  std::uint32_t suspect_rings = 0;     // rings still to be timed by CPU time
  std::uint32_t dear_rings = 0;        // those that were too dear since the suspicion began
  std::atomic<bool> by_ringer{false};  // too dear: rung by the ringer thread from now on
  std::atomic<bool> ring_due{false};   // set by publish, cleared by the ringer before it rings
  // Set by publish while it writes `event`, which a trusted reader can make block; the control
  // thread looks when it has waited for publish too long.
  std::atomic<bool> event_in_hand{false};
  // Control thread only: newest number that was counted of ReaderPage::key_requests; whether the
  // line was just heard, and is not listened to.
  std::uint64_t key_requests_counted = 0;
  bool muted = false;

  ForeignSegment page_mapping;
  std::unique_ptr<OwnSegment> bell_segment;
};

// What a new reader brought, as the broker passed it on.
struct NewReader {
  std::uint64_t id = 0;
  std::uint32_t uid = 0;
  std::uint32_t pid = 0;
  Bell bell = Bell::futex;
  Fd reader_page;
};

// What it gets back, to be sent through the broker. The descriptors are duplicates to give away.
struct ReaderHandles {
  Bell bell = Bell::futex;
  Fd bell_page;
  Fd line;   // the reader's end
  Fd event;  // only with Bell::eventfd
};

enum class AddFault : std::uint8_t { none, table_full, bad_page, no_resources, id_in_use };

struct AddOutcome {
  AddFault fault = AddFault::none;
  const char* text = "";  // for people, when there is a fault
  std::shared_ptr<ReaderEntry> entry;
  ReaderHandles handles;
};

class ReaderTable {
 public:
  // The snapshot that one section of the publishing thread sees.
  struct Snapshot {
    std::uint32_t count = 0;
    std::array<ReaderEntry*, kMaxReaders> entries{};
  };

  explicit ReaderTable(std::uint32_t max_readers);  // at most kMaxReaders
  ~ReaderTable();
  ReaderTable(const ReaderTable&) = delete;
  ReaderTable& operator=(const ReaderTable&) = delete;

  // --- Publishing thread: wait-free.
  void enter() noexcept {
    // relaxed: P2's fence orders it before the load of the table.
    section_.store(++section_number_, std::memory_order_relaxed);
  }
  // Call after a fence_seq_cst() (P2).
  [[nodiscard]] const Snapshot& scan() const noexcept {
    return *current_.load(std::memory_order_acquire);
  }
  void leave() noexcept { section_.store(++section_number_, std::memory_order_release); }

  // --- Control thread: may allocate, lock and wait for the end of a section.
  // Checks and maps the reader page, makes bell page, line and eventfd; on return every later
  // publish sees the reader, and its bell page says `attached`.
  [[nodiscard]] AddOutcome add(NewReader reader);
  // Marks it detached and takes it out. Unmapped when the last holder lets go, of whom the caller
  // is one. Null: unknown id.
  std::shared_ptr<ReaderEntry> remove(std::uint64_t id);

  // --- Any thread; the lock is never taken while publishing.
  void for_each(const std::function<void(ReaderEntry&)>& visit);
  [[nodiscard]] std::uint32_t count();
  [[nodiscard]] std::vector<std::shared_ptr<ReaderEntry>> entries();

 private:
  // `leaving`: the reader that `next` lacks, null when there is none.
  void swap_in(std::unique_ptr<Snapshot> next, const ReaderEntry* leaving) noexcept;

  void help_publish() noexcept;

  const std::uint32_t max_readers_;
  alignas(kCacheLine) SharedU64 section_{0};                 // odd: inside reserve or commit
  std::uint64_t section_number_ = 0;                         // publishing thread only
  alignas(kCacheLine) SharedWord<const Snapshot*> current_;  // written by the control thread
  std::unique_ptr<Snapshot> owned_;                          // what current_ points to
  std::mutex mutex_;                                         // guards list_
  std::vector<std::shared_ptr<ReaderEntry>> list_;
};

// One byte on a line (either side's end). Never blocks.
void nudge_line(int fd) noexcept;
// Takes what an eventfd holds, without waiting: O_NONBLOCK belongs to the open file, which a
// neighbour shares, and may have gone.
void take_rings(int event) noexcept;

}  // namespace framering
