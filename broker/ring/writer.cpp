// SPDX-License-Identifier: Apache-2.0
//
// Publishes frame n. Wait-free: no reader can delay it.
//
//     writer, here                               reader, reader.cpp
//  W1 reclaimed, intent        relaxed        R1 n = head                          acquire
//  W2 fence                    seq_cst        R2 copy slot n, check it             acquire
//  W3 scan leases, step over   acquire        R3 lease = n                         release
//     what stands, or revoke   relaxed        R4 fence                             seq_cst
//     fence                    release        R5 bytes and slot of n kept?         relaxed
//  W4 payload bytes                           R6 use the bytes in place; then
//     (of large frames: trail.h)                 lease = 0                         release
//  W5 slot n                   release        R7 before trusting the result:
//  W6 head = n                 release           fence, revoked?                   acquire
//  W7 fence                    seq_cst
//  W8 scan for sleepers, ring                 C  copy: R1, R2, copy the bytes,
//                                                fence, R5                         acquire
//
// W2 with R4: either the reader's lease is seen at W3 and stepped over, or the reader sees W1 at R5
//     and gives up. Without either fence both can miss, and the reader is handed bytes being
//     overwritten.
// W2 with the fence in C (and in R2): whoever read a byte of W4 or W5 also sees W1, and throws the
//     copy away. Without it a torn frame passes as whole.
// W3 with R6: the reader's last look at the bytes is before W4. Without it the writer overwrites
//     under a reader that has already let go, and whose result is wrong all the same.
// W3's release fence with R7: whoever read a byte written after the revocation sees the revocation.
// W5 with R2: a record is complete once its number is there.
// W6 with R1: everything of frame n, and of all before it, is there once head is n.
// W7 with S2 (reader.cpp): either we see that it sleeps, or it sees head and does not.
#include "ring/writer.h"

#include <sys/random.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cerrno>
#include <cstring>
#include <new>
#include <stdexcept>
#include <system_error>

#include "ring/clock.h"
#include "ring/cores.h"
#include "ring/ordering.h"
#include "ring/probes.h"
#include "ring/trail.h"

namespace framering {
namespace {

std::uint64_t random_generation() {
  std::uint64_t generation = 0;
  while (generation == 0) {
    if (::getrandom(&generation, sizeof generation, 0) != sizeof generation) {
      throw std::system_error(errno, std::generic_category(), "getrandom");
    }
  }
  return generation;
}

constexpr std::uint64_t whole_pages(std::uint64_t bytes) {
  return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes;
}

std::uint64_t arena_offset(const RingOptions& options) {
  return whole_pages(kSlotsOffset + std::uint64_t{options.slot_count} * sizeof(FrameSlot));
}

// The options with every default filled in; throws on what cannot work.
RingOptions checked(RingOptions options) {
  const auto require = [](bool holds, const std::string& text) {
    if (!holds) throw std::invalid_argument(text);
  };
  require(options.slot_count >= 2 && options.slot_count <= kMaxSlotCount &&
              std::has_single_bit(options.slot_count),
          "slot count " + std::to_string(options.slot_count) + " is not a power of two in 2.." +
              std::to_string(kMaxSlotCount));
  require(options.lease_cells <= kMaxLeaseCells,
          "lease cells: at most " + std::to_string(kMaxLeaseCells) + " for each reader");
  require(options.max_readers >= 1 && options.max_readers <= kMaxReaders,
          "max readers: 1.." + std::to_string(kMaxReaders));
  require(options.time_base_num != 0 && options.time_base_den != 0,
          "time base: 0 is no number of it");
  require(options.arena_bytes >= kPageBytes && options.arena_bytes <= kMaxArenaBytes,
          "history of " + std::to_string(options.arena_bytes) + " bytes is out of range: 4096.." +
              std::to_string(kMaxArenaBytes));
  options.arena_bytes = whole_pages(options.arena_bytes);
  const std::uint64_t largest = options.arena_bytes / kMaxFrameDivisor;
  if (options.max_frame_bytes == 0)
    options.max_frame_bytes = std::min<std::uint64_t>(largest, UINT32_MAX);
  require(options.max_frame_bytes <= largest && options.max_frame_bytes <= UINT32_MAX,
          "frames of up to " + std::to_string(options.max_frame_bytes) +
              " bytes need a history of " +
              std::to_string(options.max_frame_bytes * kMaxFrameDivisor) + " bytes or more, not " +
              std::to_string(options.arena_bytes));
  return options;
}

LeaseLedger::Limits lease_limits(const RingOptions& options, const RingHeader& header) {
  LeaseLedger::Limits limits;
  limits.arena_bytes = header.arena_bytes;
  limits.slot_count = header.slot_count;
  limits.lease_cells = options.lease_cells;
  limits.max_readers = options.max_readers;
  limits.budget_cells = std::max(1u, options.lease_cells / 2);
  limits.budget_bytes = header.arena_bytes / 4;
  return limits;
}

RingHeader* write_header(const OwnSegment& segment, const RingOptions& options) {
  auto* header = new (segment.data()) RingHeader;
  header->layout_version = kLayoutVersion;
  header->header_bytes = sizeof(RingHeader);
  header->generation = random_generation();
  header->segment_bytes = segment.bytes();
  header->arena_offset = arena_offset(options);
  header->arena_bytes = options.arena_bytes;
  header->slot_count = options.slot_count;
  header->slot_bytes = sizeof(FrameSlot);
  header->slots_offset = kSlotsOffset;
  header->codec = options.codec;
  header->flags = options.inter_coded ? kStreamInterCoded : 0;
  header->time_base_num = options.time_base_num;
  header->time_base_den = options.time_base_den;
  header->max_width = options.max_width;
  header->max_height = options.max_height;
  header->max_frame_bytes = options.max_frame_bytes;
  header->lease_cells = options.lease_cells;
  header->max_readers = options.max_readers;
  header->created_ns = monotonic_ns();
  header->parameter_sets_offset = kParameterSetsOffset;
  header->heartbeat_ns.store(header->created_ns, std::memory_order_relaxed);
  header->state_since_ns.store(header->created_ns, std::memory_order_relaxed);
  // release: who sees the magic sees all of the above.
  header->magic.store(kRingMagic, std::memory_order_release);
  return header;
}

}  // namespace

RingWriter::RingWriter(const RingOptions& given)
    : segment_("framering-" + given.name,
               [&] {
                 const RingOptions options = checked(given);
                 return arena_offset(options) + options.arena_bytes;
               }()),
      header_(write_header(segment_, checked(given))),
      slots_(reinterpret_cast<FrameSlot*>(segment_.data() + kSlotsOffset)),
      parameter_sets_(
          reinterpret_cast<ParameterSetBuffer*>(segment_.data() + kParameterSetsOffset)),
      arena_(segment_.data() + header_->arena_offset),
      readers_(given.max_readers),
      bells_(readers_),
      leases_(lease_limits(given, *header_)) {
  parameter_bytes_.reserve(kMaxParameterSetBytes);
  early_bells_ = usable_cores() - 1;
}

std::span<std::byte> RingWriter::reserve(std::size_t bytes) noexcept {
  // Readers may have copied from there: another frame must not be taken for what they have.
  if (arriving_) cursor_ = reserved_position_ + reserved_bytes_;
  arriving_ = false;
  filled_ = 0;
  reserved_bytes_ = 0;
  if (bytes > header_->max_frame_bytes) {
    header_->frames_too_large.store(++frames_too_large_, std::memory_order_relaxed);
    return {};
  }
  if (bytes == 0) return {};
  readers_.enter();
  reserved_position_ = claim(bytes);
  readers_.leave();
  reserved_bytes_ = bytes;
  return {arena_ + reserved_position_ % header_->arena_bytes, bytes};
}

// Finds room for the next frame and gives up what lies there. At most lease_cells + 2 scans.
std::uint64_t RingWriter::claim(std::uint64_t bytes) noexcept {
  std::uint64_t position = leases_.fit(cursor_, bytes);
  const std::uint64_t first_choice = position;
  for (std::uint32_t scans = 0;; ++scans) {
    announce(position, bytes);  // W1
    fence_seq_cst();            // W2
    const ReaderTable::Snapshot& readers = readers_.scan();
    leases_.scan(readers);  // W3
    if (leases_.is_free(position, bytes)) break;
    if (scans > header_->lease_cells) {
      // Somebody leases faster than we step: whoever came after this announcement fails at R5, the
      // rest is revoked.
      leases_.revoke_touching(position, bytes);
      break;
    }
    std::optional<std::uint64_t> next;
    while (!(next = leases_.place(position, bytes))) {
      if (!leases_.revoke_one_reader(readers)) break;  // nothing stands: place() must succeed next
    }
    position = next.value_or(position);
  }
  if (position != first_choice) {
    header_->leases_stepped_over.store(++stepped_over_, std::memory_order_relaxed);
  }
  if (leases_.revoked() != revoked_) {
    revoked_ = leases_.revoked();
    header_->leases_revoked.store(revoked_, std::memory_order_relaxed);
  }
  fence_release();  // revocations, and what the table said, before W4; meets R7
  return position;
}

void RingWriter::announce(std::uint64_t position, std::uint64_t bytes) noexcept {
  // relaxed, both: W2 orders them before the scan and before every byte that follows.
  header_->intent.store(head_ + 1, std::memory_order_relaxed);
  const std::uint64_t end = position + bytes;
  if (end > header_->arena_bytes && end - header_->arena_bytes > reclaimed_) {
    reclaimed_ = end - header_->arena_bytes;
    header_->reclaimed.store(reclaimed_, std::memory_order_relaxed);
  }
}

void RingWriter::fill(std::size_t at, std::span<const std::byte> bytes) noexcept {
  assert(at + bytes.size() <= reserved_bytes_);
  if (bytes.empty()) return;
  std::byte* const frame = arena_ + reserved_position_ % header_->arena_bytes;
  if (reserved_bytes_ < kTrailBytes || at != filled_) {
    copy_racing(frame + at, bytes.data(), bytes.size());  // W4
    return;
  }
  if (!arriving_) begin_arrival();
  while (!bytes.empty()) {
    const std::size_t piece = std::min(bytes.size(), kTrailPieceBytes);
    copy_racing(frame + filled_, bytes.data(), piece);  // W4, T2
    filled_ += piece;
    header_->arrived.store(reserved_position_ + filled_, std::memory_order_release);  // T3
    bytes = bytes.subspan(piece);
  }
}

void RingWriter::begin_arrival() noexcept {
  arriving_ = true;
  // relaxed, both: ordered by the store that follows.
  header_->arriving_position.store(reserved_position_, std::memory_order_relaxed);
  header_->arriving_bytes.store(reserved_bytes_, std::memory_order_relaxed);
  header_->arriving.store(head_ + 1, std::memory_order_release);  // T1
  if (early_bells_ == 0) return;
  readers_.enter();
  fence_seq_cst();  // P2
  wake_early();
  readers_.leave();
}

std::uint64_t RingWriter::commit(std::size_t bytes, const FrameMeta& meta) noexcept {
  if (bytes == 0 || bytes > reserved_bytes_) return 0;
  const std::uint64_t n = ++head_;
  const std::uint64_t now = monotonic_ns();
  FrameSlot& slot = slots_[n & (header_->slot_count - 1)];
  const FrameRecord record{reserved_position_, now, static_cast<std::uint32_t>(bytes), 0, meta};
  copy_racing(&slot.record, &record, sizeof record);
  slot.number.store(n, std::memory_order_release);  // W5
  leases_.record({n, reserved_position_, static_cast<std::uint32_t>(bytes)});
  cursor_ = reserved_position_ + bytes;
  reserved_bytes_ = 0;
  arriving_ = false;

  // relaxed: a hint; W6 puts it before head.
  if ((meta.flags & kFrameKey) != 0) header_->newest_key.store(n, std::memory_order_relaxed);
  readers_.enter();
  header_->head.store(n, std::memory_order_release);  // W6
  fence_seq_cst();                                    // W7
  wake_sleepers(false);                               // W8
  readers_.leave();
  FRAMERING_PROBE3(publish, n, bytes, meta.flags);

  // relaxed, all: statistics. After W7, which would wait until these cold lines have been fetched.
  bytes_published_ += bytes;
  header_->bytes_published.store(bytes_published_, std::memory_order_relaxed);
  header_->heartbeat_ns.store(now, std::memory_order_relaxed);
  if (meta.width != 0) {
    header_->width.store(meta.width, std::memory_order_relaxed);
    header_->height.store(meta.height, std::memory_order_relaxed);
  }
  return n;
}

std::uint64_t RingWriter::publish(std::span<const std::byte> bytes,
                                  const FrameMeta& meta) noexcept {
  const std::span<std::byte> room = reserve(bytes.size());
  if (room.empty()) return 0;
  fill(0, bytes);
  return commit(bytes.size(), meta);
}

// Rings each reader that waits for a frame which is there, once for each time it armed.
void RingWriter::wake_sleepers(bool whatever_they_wait_for) noexcept {
  const ReaderTable::Snapshot& readers = readers_.scan();
  const std::uint64_t rung_before = bells_.rung();
  for (std::uint32_t i = 0; i < readers.count; ++i) {
    ReaderEntry& reader = *readers.entries[i];
    // relaxed: W7 orders it after head.
    const std::uint64_t wake_at = reader.page->wake_at.load(std::memory_order_relaxed);
    if (wake_at == 0) continue;
    if (whatever_they_wait_for) {
      bells_.ring(reader);
    } else if (wake_at <= head_ && wake_at != reader.rung_for) {
      reader.rung_for =
          wake_at;  // a reader that does not come costs one bell, not one for each frame
      bells_.ring(reader);
    }
  }
  ring_collected(rung_before);
}

// Rings who sleeps for the frame that begins to arrive and would copy it meanwhile; no more than
// there are other cores to do it on. Does not count as answered: who does not come in time is rung
// again when the frame is there (W8).
void RingWriter::wake_early() noexcept {
  const ReaderTable::Snapshot& readers = readers_.scan();
  const std::uint64_t rung_before = bells_.rung();
  int bells_left = early_bells_;
  for (std::uint32_t i = 0; i < readers.count && bells_left > 0; ++i) {
    ReaderEntry& reader = *readers.entries[i];
    // relaxed, both: hints.
    if (reader.page->wake_at.load(std::memory_order_relaxed) != head_ + 1 ||
        reader.page->wake_early.load(std::memory_order_relaxed) == 0) {
      continue;
    }
    bells_.ring(reader);
    --bells_left;
  }
  ring_collected(rung_before);
}

void RingWriter::ring_collected(std::uint64_t rung_before) noexcept {
  if (bells_.rung() == rung_before) return;
  bells_.flush();
  header_->bells_rung.store(bells_.rung(), std::memory_order_relaxed);
  header_->bells_by_ringer.store(bells_.by_ringer(), std::memory_order_relaxed);
}

std::uint64_t RingWriter::set_parameter_sets(std::span<const std::byte> annex_b) noexcept {
  if (annex_b.size() > kMaxParameterSetBytes) return 0;
  if (parameter_set_ != 0 && std::ranges::equal(annex_b, parameter_bytes_)) return parameter_set_;
  parameter_bytes_.assign(annex_b.begin(), annex_b.end());  // within the reserved capacity
  const std::uint64_t number = ++parameter_set_;
  ParameterSetBuffer& buffer = parameter_sets_[number & 1];
  header_->parameter_intent.store(number, std::memory_order_relaxed);
  fence_release();  // the announcement before the bytes; meets the fence in read_parameter_set
  const auto size = static_cast<std::uint32_t>(annex_b.size());
  copy_racing(&buffer.size, &size, sizeof size);
  copy_racing(buffer.bytes, annex_b.data(), annex_b.size());
  buffer.number.store(number, std::memory_order_release);
  header_->parameter_set.store(number, std::memory_order_release);
  return number;
}

void RingWriter::set_state(SourceState state) noexcept {
  // relaxed: only says that the word is to be stored again; the word itself is the message.
  if (state == state_ && !overruled_.load(std::memory_order_relaxed)) return;
  overruled_.store(false, std::memory_order_relaxed);
  state_ = state;
  const std::uint64_t now = monotonic_ns();
  header_->state_since_ns.store(now, std::memory_order_relaxed);
  header_->heartbeat_ns.store(now, std::memory_order_relaxed);
  readers_.enter();
  // release: who sees `ended` sees the last frame.
  header_->source_state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
  fence_seq_cst();  // as W7, for the state instead of head
  wake_sleepers(true);
  readers_.leave();
}

void RingWriter::overrule_state(SourceState state) noexcept {
  overruled_.store(true, std::memory_order_relaxed);
  header_->state_since_ns.store(monotonic_ns(), std::memory_order_relaxed);
  header_->source_state.store(static_cast<std::uint32_t>(state), std::memory_order_release);
}

void RingWriter::heartbeat() noexcept {
  header_->heartbeat_ns.store(monotonic_ns(), std::memory_order_relaxed);
}

void RingWriter::count_key_requests(std::uint64_t wanted, std::uint64_t granted) noexcept {
  header_->key_requests_wanted.store(wanted, std::memory_order_relaxed);
  header_->key_requests_granted.store(granted, std::memory_order_relaxed);
}

}  // namespace framering
