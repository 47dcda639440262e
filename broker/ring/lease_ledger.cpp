// SPDX-License-Identifier: Apache-2.0
#include "ring/lease_ledger.h"

#include <algorithm>

#include "ring/probes.h"

namespace framering {

LeaseLedger::LeaseLedger(const Limits& limits)
    : limits_(limits),
      slot_mask_(limits.slot_count - 1),
      records_(std::make_unique<OwnRecord[]>(limits.slot_count)),
      standing_(
          std::make_unique<Standing[]>(std::size_t{limits.max_readers} * limits.lease_cells)) {}

void LeaseLedger::scan(const ReaderTable::Snapshot& readers) noexcept {
  standing_count_ = 0;
  for (std::uint32_t i = 0; i < readers.count; ++i) {
    for (std::uint32_t cell = 0; cell < limits_.lease_cells; ++cell) {
      note(*readers.entries[i], cell);
    }
  }
  std::sort(standing_.get(), standing_.get() + standing_count_,
            [](const Standing& a, const Standing& b) { return a.begin < b.begin; });
}

void LeaseLedger::note(ReaderEntry& reader, std::uint32_t cell) noexcept {
  // acquire: meets the release in R6, so the reader's last look at the bytes is before we overwrite
  // them.
  const std::uint64_t leased = reader.page->lease[cell].load(std::memory_order_acquire);
  const std::uint64_t bit = std::uint64_t{1} << cell;
  if (leased == 0 && (reader.seen_cells & bit) == 0) return;
  SeenLease& seen = reader.seen[cell];
  if (leased != seen.number) {
    seen = SeenLease{leased, 0, 0, false};
    reader.seen_cells = leased != 0 ? reader.seen_cells | bit : reader.seen_cells & ~bit;
  }
  if (leased == 0 || seen.revoked) return;
  if (seen.bytes == 0) {
    // Where the frame lies, only our own records say. A number that they no longer hold was given
    // up before it was leased; the reader finds that out by itself (R5). One that they do not hold
    // yet is a lease on another generation's ring; once it is ours too, the reader may release the
    // one and take the other between two scans, and the cell looks the same: so look up again.
    const OwnRecord& own = records_[leased & slot_mask_];
    if (own.number != leased) return;
    seen.position = own.position;
    seen.bytes = own.bytes;
  }
  const std::uint64_t begin = seen.position % limits_.arena_bytes;
  standing_[standing_count_++] = Standing{begin, begin + seen.bytes, &reader, cell};
}

std::uint64_t LeaseLedger::fit(std::uint64_t position, std::uint64_t bytes) const noexcept {
  position = (position + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
  const std::uint64_t offset = position % limits_.arena_bytes;
  return offset + bytes <= limits_.arena_bytes ? position
                                               : position + (limits_.arena_bytes - offset);
}

bool LeaseLedger::is_free(std::uint64_t position, std::uint64_t bytes) const noexcept {
  const std::uint64_t begin = position % limits_.arena_bytes;
  const std::uint64_t end = begin + bytes;
  return std::none_of(standing_.get(), standing_.get() + standing_count_,
                      [=](const Standing& s) { return s.begin < end && begin < s.end; });
}

std::optional<std::uint64_t> LeaseLedger::place(std::uint64_t from,
                                                std::uint64_t bytes) const noexcept {
  std::uint64_t position = fit(from, bytes);
  // Two passes over the sorted leases: the rest of this turn of the arena, then the next turn.
  for (int turn = 0; turn < 2; ++turn) {
    const std::uint64_t turn_begin = position - position % limits_.arena_bytes;
    for (std::size_t i = 0; i < standing_count_; ++i) {
      const std::uint64_t begin = position - turn_begin;
      if (standing_[i].begin < begin + bytes && begin < standing_[i].end) {
        const std::uint64_t after = turn_begin + standing_[i].end;
        position = (after + kFrameAlignment - 1) / kFrameAlignment * kFrameAlignment;
      }
    }
    if (position - turn_begin + bytes <= limits_.arena_bytes) return position;
    position = turn_begin + limits_.arena_bytes;
  }
  return std::nullopt;
}

bool LeaseLedger::revoke_one_reader(const ReaderTable::Snapshot& readers) noexcept {
  struct Holding {
    std::uint32_t cells = 0;
    std::uint64_t bytes = 0;
    std::uint64_t oldest = UINT64_MAX;
  };
  ReaderEntry* victim = nullptr;
  Holding worst;
  bool worst_over = false;
  for (std::uint32_t i = 0; i < readers.count; ++i) {
    Holding held;
    for (std::uint32_t cell = 0; cell < limits_.lease_cells; ++cell) {
      const SeenLease& seen = readers.entries[i]->seen[cell];
      if (seen.bytes == 0 || seen.revoked) continue;
      ++held.cells;
      held.bytes += seen.bytes;
      held.oldest = std::min(held.oldest, seen.number);
    }
    if (held.cells == 0) continue;
    const bool over = held.cells > limits_.budget_cells || held.bytes > limits_.budget_bytes;
    const bool worse =
        victim == nullptr || (over != worst_over          ? over
                              : held.bytes != worst.bytes ? held.bytes > worst.bytes
                                                          : held.oldest < worst.oldest);
    if (worse) {
      victim = readers.entries[i];
      worst = held;
      worst_over = over;
    }
  }
  if (victim == nullptr) return false;
  for (std::size_t i = 0; i < standing_count_; ++i) {
    if (standing_[i].reader == victim) revoke(standing_[i]);
  }
  forget_revoked();
  return true;
}

void LeaseLedger::revoke_touching(std::uint64_t position, std::uint64_t bytes) noexcept {
  const std::uint64_t begin = position % limits_.arena_bytes;
  for (std::size_t i = 0; i < standing_count_; ++i) {
    if (standing_[i].begin < begin + bytes && begin < standing_[i].end) revoke(standing_[i]);
  }
  forget_revoked();
}

void LeaseLedger::revoke(const Standing& lease) noexcept {
  SeenLease& seen = lease.reader->seen[lease.cell];
  seen.revoked = true;
  FRAMERING_PROBE1(revoked, seen.number);
  ++revoked_;
  // relaxed: the writer's release fence before the payload (W4) puts it before any overwritten
  // byte.
  lease.reader->bell->revoked[lease.cell].store(seen.number, std::memory_order_relaxed);
}

void LeaseLedger::forget_revoked() noexcept {
  const auto end = std::remove_if(standing_.get(), standing_.get() + standing_count_,
                                  [](const Standing& s) { return s.reader->seen[s.cell].revoked; });
  standing_count_ = static_cast<std::size_t>(end - standing_.get());
}

}  // namespace framering
