// SPDX-License-Identifier: Apache-2.0
//
// What the producer knows of the leases that stand, and where a frame fits between them.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "reader_table.h"

namespace framering {

// Where one published frame lies: the producer's own record, never read back from the ring.
struct OwnRecord {
  std::uint64_t number = 0;
  std::uint64_t position = 0;
  std::uint32_t bytes = 0;
};

// Publishing thread only; allocates at construction and never again.
class LeaseLedger {
 public:
  struct Limits {
    std::uint64_t arena_bytes = 0;
    std::uint32_t slot_count = 0;   // power of two
    std::uint32_t lease_cells = 0;  // for each reader
    std::uint32_t max_readers = 0;
    // A reader beyond one of these is the first to lose its leases when there is no room.
    std::uint32_t budget_cells = 0;
    std::uint64_t budget_bytes = 0;
  };

  explicit LeaseLedger(const Limits& limits);

  void record(const OwnRecord& frame) noexcept { records_[frame.number & slot_mask_] = frame; }

  // Reads every cell once (W3) and brings what stands up to date. Call after W2.
  void scan(const ReaderTable::Snapshot& readers) noexcept;

  // True when no lease that stands touches [position, position + bytes).
  [[nodiscard]] bool is_free(std::uint64_t position, std::uint64_t bytes) const noexcept;

  // The first position at or after `from` that holds `bytes` in one piece and touches no lease, at
  // most one turn of the arena away. Empty: there is none.
  [[nodiscard]] std::optional<std::uint64_t> place(std::uint64_t from,
                                                   std::uint64_t bytes) const noexcept;

  // Makes room when nothing else helps. Call only once the announcement covers what is given up.
  // Revokes all leases of one reader: who is over its budget first, then the largest holder, then
  // who holds the oldest frame. False: no lease stands.
  bool revoke_one_reader(const ReaderTable::Snapshot& readers) noexcept;
  // Revokes whatever touches [position, position + bytes).
  void revoke_touching(std::uint64_t position, std::uint64_t bytes) noexcept;

  [[nodiscard]] std::uint64_t revoked() const noexcept { return revoked_; }
  // `position`, or the next turn's start if a frame of `bytes` would wrap. 64-byte aligned.
  [[nodiscard]] std::uint64_t fit(std::uint64_t position, std::uint64_t bytes) const noexcept;

 private:
  // A lease that stands, by its place in the arena (not its position, which has the turns in it).
  struct Standing {
    std::uint64_t begin = 0;
    std::uint64_t end = 0;
    ReaderEntry* reader = nullptr;
    std::uint32_t cell = 0;
  };

  void note(ReaderEntry& reader, std::uint32_t cell) noexcept;
  void revoke(const Standing& lease) noexcept;
  void forget_revoked() noexcept;

  const Limits limits_;
  const std::uint64_t slot_mask_;
  std::unique_ptr<OwnRecord[]> records_;
  std::unique_ptr<Standing[]> standing_;  // sorted by begin
  std::size_t standing_count_ = 0;
  std::uint64_t revoked_ = 0;
};

}  // namespace framering
