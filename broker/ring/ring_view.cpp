// SPDX-License-Identifier: Apache-2.0
#include "ring/ring_view.h"

#include <bit>

#include "ring/ordering.h"

namespace framering {

const char* describe(RingFault fault) noexcept {
  switch (fault) {
    case RingFault::none:
      return "the ring is readable";
    case RingFault::not_ready:
      return "the segment holds no ring (its magic is missing)";
    case RingFault::newer_layout:
      return "the ring has a newer layout than this program knows: upgrade the reading side";
    case RingFault::older_layout:
      return "the ring has an older layout than this program reads: upgrade the producer";
    case RingFault::unknown_flags:
      return "the stream uses a feature that this program does not know: upgrade the reading side";
    case RingFault::bad_sizes:
      return "the ring's header contradicts itself: the producer is broken";
  }
  return "unknown fault";
}

RingFault RingView::open(const std::byte* data, std::size_t bytes) noexcept {
  if (bytes < kSlotsOffset) return RingFault::not_ready;
  const auto* header = reinterpret_cast<const RingHeader*>(data);
  // acquire: meets the producer's release of the magic, so the fixed part below is complete.
  if (header->magic.load(std::memory_order_acquire) != kRingMagic) return RingFault::not_ready;

  RingHeader fixed_copy_holder{};  // the producer may lie and change it: one copy, then only that
  copy_racing(static_cast<void*>(&fixed_copy_holder), header, offsetof(RingHeader, head));
  const RingHeader& fixed = fixed_copy_holder;
  if (fixed.layout_version > kLayoutVersion) return RingFault::newer_layout;
  if (fixed.layout_version < kLayoutVersion) return RingFault::older_layout;
  if ((fixed.flags & ~kStreamKnownFlags) != 0) return RingFault::unknown_flags;

  const bool sound =
      fixed.header_bytes == sizeof(RingHeader) && fixed.slot_bytes == sizeof(FrameSlot) &&
      fixed.generation != 0 && fixed.segment_bytes == bytes &&
      fixed.parameter_sets_offset == kParameterSetsOffset && fixed.slots_offset == kSlotsOffset &&
      fixed.slot_count >= 2 && std::has_single_bit(fixed.slot_count) &&
      fixed.slot_count <= kMaxSlotCount && fixed.arena_offset % kPageBytes == 0 &&
      fixed.arena_offset >= kSlotsOffset + std::uint64_t{fixed.slot_count} * sizeof(FrameSlot) &&
      fixed.arena_offset < bytes && fixed.arena_bytes != 0 && fixed.arena_bytes % kPageBytes == 0 &&
      fixed.arena_bytes <= bytes - fixed.arena_offset && fixed.max_frame_bytes != 0 &&
      fixed.max_frame_bytes <= fixed.arena_bytes / kMaxFrameDivisor &&
      fixed.lease_cells <= kMaxLeaseCells && fixed.time_base_num != 0 && fixed.time_base_den != 0;
  if (!sound) return RingFault::bad_sizes;

  header_ = header;
  slots_ = reinterpret_cast<const FrameSlot*>(data + kSlotsOffset);
  parameter_sets_ = reinterpret_cast<const ParameterSetBuffer*>(data + kParameterSetsOffset);
  arena_ = data + fixed.arena_offset;
  generation_ = fixed.generation;
  arena_bytes_ = fixed.arena_bytes;
  max_frame_bytes_ = fixed.max_frame_bytes;
  slot_count_ = fixed.slot_count;
  codec_ = fixed.codec;
  flags_ = fixed.flags;
  time_base_num_ = fixed.time_base_num;
  time_base_den_ = fixed.time_base_den;
  lease_cells_ = fixed.lease_cells;
  return RingFault::none;
}

SourceState RingView::state() const noexcept {
  // acquire: who sees `ended` also sees the last frames.
  const std::uint32_t state = header_->source_state.load(std::memory_order_acquire);
  return state <= static_cast<std::uint32_t>(SourceState::idle) ? static_cast<SourceState>(state)
                                                                : SourceState::encoder_error;
}

SlotState RingView::read_slot(std::uint64_t n, FrameRecord& record) const noexcept {
  const FrameSlot& slot = slots_[n & (slot_count_ - 1)];
  // acquire: meets W5, the record is complete once its number is there.
  if (slot.number.load(std::memory_order_acquire) != n) {
    // That acquire brings a later frame's announcement along with its number (W1, W5). Without an
    // announcement nobody may have touched the slot of n.
    const std::uint64_t intent = header_->intent.load(std::memory_order_relaxed);
    return n + slot_count_ > intent ? SlotState::nonsense : SlotState::given_up;
  }
  copy_racing(&record, &slot.record, sizeof record);
  fence_acquire();  // the copy is before the check: whoever overwrites announced it first (W1, W2)
  if (!kept(n, record.position)) return SlotState::given_up;
  return fits(record.position, record.size) ? SlotState::whole : SlotState::nonsense;
}

// A frame may lie there: a claim from the ring can be used.
bool RingView::fits(std::uint64_t position, std::uint64_t bytes) const noexcept {
  return bytes <= max_frame_bytes_ && position % arena_bytes_ + bytes <= arena_bytes_ &&
         position % kFrameAlignment == 0;
}

RingView::Arriving RingView::arriving() const noexcept {
  Arriving frame{};
  frame.number = header_->arriving.load(std::memory_order_acquire);  // t1
  // relaxed, both: ordered by the load above. Of a later frame, perhaps: see trail.h.
  frame.position = header_->arriving_position.load(std::memory_order_relaxed);
  frame.bytes = header_->arriving_bytes.load(std::memory_order_relaxed);
  return fits(frame.position, frame.bytes) ? frame : Arriving{};
}

bool RingView::kept(std::uint64_t n, std::uint64_t position) const noexcept {
  // relaxed: the caller's fence orders these loads, see R4 and the copy in reader.cpp.
  return n + slot_count_ > header_->intent.load(std::memory_order_relaxed) &&
         position >= header_->reclaimed.load(std::memory_order_relaxed);
}

std::uint64_t RingView::oldest_kept(std::uint64_t from, std::uint64_t head) const noexcept {
  // Positions grow with numbers, so "kept" is false up to some number and true from there on. Slots
  // further back than slot_count are gone in any case.
  std::uint64_t low = head >= slot_count_ ? head - slot_count_ + 1 : 1;
  if (low < from) low = from;
  std::uint64_t high = head + 1;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    FrameRecord record;
    if (read_slot(middle, record) == SlotState::given_up) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

std::size_t RingView::read_parameter_set(std::uint64_t number,
                                         std::span<std::byte> out) const noexcept {
  if (number == 0) return 0;
  const ParameterSetBuffer& buffer = parameter_sets_[number & 1];
  // acquire: the bytes are complete once their number is there.
  if (buffer.number.load(std::memory_order_acquire) != number) return 0;
  std::uint32_t size = 0;
  copy_racing(&size, &buffer.size, sizeof size);
  if (size > kMaxParameterSetBytes || size > out.size()) return 0;
  copy_racing(out.data(), buffer.bytes, size);
  fence_acquire();  // the copy is before the check, as in read_slot
  // relaxed: ordered by the fence above.
  return number + 2 > header_->parameter_intent.load(std::memory_order_relaxed) ? size : 0;
}

}  // namespace framering
