// SPDX-License-Identifier: Apache-2.0
//
// A ring as anybody but its producer sees it: mapped read-only, every number in it a claim.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ring_layout.h"

namespace framering {

// Why a mapped segment is not a ring that this program can read.
enum class RingFault : std::uint8_t {
  none,
  not_ready,      // no magic: the producer has not finished it, or it is something else
  newer_layout,   // this program is to be upgraded
  older_layout,   // the producer is to be upgraded
  unknown_flags,  // must-understand flags from a newer producer
  bad_sizes,      // the header's sizes do not fit together or not into the segment
};
[[nodiscard]] const char* describe(RingFault fault) noexcept;

// What became of a slot.
enum class SlotState : std::uint8_t {
  whole,     // copied, and kept at the moment of the check
  given_up,  // the producer has announced that it overwrites the slot or the bytes
  nonsense,  // whole, but what it says cannot be true: the producer lies or is broken
};

// Copies of the header's fixed part, checked once, and the loads that the rest needs. Cheap to
// copy; does not own the mapping. Threads: every function is const and only loads.
class RingView {
 public:
  RingView() = default;

  // Checks the header at `data`. On a fault the view stays as it was.
  [[nodiscard]] RingFault open(const std::byte* data, std::size_t bytes) noexcept;
  [[nodiscard]] bool is_open() const noexcept { return header_ != nullptr; }

  [[nodiscard]] std::uint64_t generation() const noexcept { return generation_; }
  [[nodiscard]] std::uint32_t codec() const noexcept { return codec_; }
  [[nodiscard]] bool inter_coded() const noexcept { return (flags_ & kStreamInterCoded) != 0; }
  [[nodiscard]] std::uint32_t time_base_num() const noexcept { return time_base_num_; }
  [[nodiscard]] std::uint32_t time_base_den() const noexcept { return time_base_den_; }
  [[nodiscard]] std::uint32_t lease_cells() const noexcept { return lease_cells_; }
  [[nodiscard]] std::uint64_t max_frame_bytes() const noexcept { return max_frame_bytes_; }
  [[nodiscard]] std::uint64_t arena_bytes() const noexcept { return arena_bytes_; }
  [[nodiscard]] std::uint32_t slot_count() const noexcept { return slot_count_; }
  // The words that change; every value a claim.
  [[nodiscard]] const RingHeader& header() const noexcept { return *header_; }

  // Newest frame; everything published with it is visible after this load (R1, meets W6). 0: none
  // yet, or a number that no producer reaches, which would overflow what is computed from it.
  [[nodiscard]] std::uint64_t head() const noexcept {
    const std::uint64_t head = header_->head.load(std::memory_order_acquire);
    return head <= kMaxFrameNumber ? head : 0;
  }
  // Newest key frame as far as the producer says, at most `head`; 0: none. relaxed: it is a hint,
  // the slot it leads to is checked like any other.
  [[nodiscard]] std::uint64_t newest_key(std::uint64_t head) const noexcept {
    const std::uint64_t key = header_->newest_key.load(std::memory_order_relaxed);
    return key <= head ? key : 0;
  }
  // The newest frame, and the newest key frame: 0 = none, and at most one more than `head`, for it
  // is stored before the head that brings it (W6). Who took "not there yet" for "none" would be
  // handed the oldest frames while a producer stands between the two.
  struct Newest {
    std::uint64_t head;
    std::uint64_t key;
  };
  [[nodiscard]] Newest newest() const noexcept {
    // acquire, and before head: meets W7 of the frame before, so that head is at least key - 1.
    const std::uint64_t key = header_->newest_key.load(std::memory_order_acquire);
    const std::uint64_t newest = head();
    return {newest, key <= newest + 1 ? key : 0};
  }
  [[nodiscard]] SourceState state() const noexcept;

  // The large frame that is being written, or the last one that was (t1). All zero: none, or what
  // is said of it cannot be true.
  struct Arriving {
    std::uint64_t number;
    std::uint64_t position;
    std::uint64_t bytes;
  };
  [[nodiscard]] Arriving arriving() const noexcept;
  // The bytes of it below this position are there (t3, meets T3).
  [[nodiscard]] std::uint64_t arrived() const noexcept {
    return header_->arrived.load(std::memory_order_acquire);
  }

  // Copies the record of frame n, 1 <= n <= head() (R2).
  [[nodiscard]] SlotState read_slot(std::uint64_t n, FrameRecord& record) const noexcept;
  // Neither the slot of n nor the bytes at `position` are given up (R5). Call after a fence.
  [[nodiscard]] bool kept(std::uint64_t n, std::uint64_t position) const noexcept;
  // Where the frame lies; only meaningful for a record that read_slot found whole.
  [[nodiscard]] std::span<const std::byte> bytes_of(const FrameRecord& record) const noexcept {
    return {bytes_at(record.position), record.size};
  }
  [[nodiscard]] const std::byte* bytes_at(std::uint64_t position) const noexcept {
    return arena_ + position % arena_bytes_;
  }
  // The oldest frame in [from, head] that is kept, head + 1 if none. At most log2(slot_count)
  // looks.
  [[nodiscard]] std::uint64_t oldest_kept(std::uint64_t from, std::uint64_t head) const noexcept;

  // Copies parameter set `number` into `out` (kMaxParameterSetBytes are enough). Returns its size;
  // 0: no longer kept.
  [[nodiscard]] std::size_t read_parameter_set(std::uint64_t number,
                                               std::span<std::byte> out) const noexcept;

 private:
  [[nodiscard]] bool fits(std::uint64_t position, std::uint64_t bytes) const noexcept;

  const RingHeader* header_ = nullptr;
  const FrameSlot* slots_ = nullptr;
  const ParameterSetBuffer* parameter_sets_ = nullptr;
  const std::byte* arena_ = nullptr;
  std::uint64_t generation_ = 0;
  std::uint64_t arena_bytes_ = 1;
  std::uint64_t max_frame_bytes_ = 0;
  std::uint32_t slot_count_ = 1;
  std::uint32_t codec_ = 0;
  std::uint32_t flags_ = 0;
  std::uint32_t time_base_num_ = 1;
  std::uint32_t time_base_den_ = 1;
  std::uint32_t lease_cells_ = 0;
};

}  // namespace framering
