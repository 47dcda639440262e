// SPDX-License-Identifier: Apache-2.0
//
// Reads frame n. The steps R1..R7 and C, and what they meet in the writer, are drawn in writer.cpp.
//
// Sleeping, beside the writer's wake-up:
//
//     reader, arm() and sleep()                  writer.cpp
//  S1 word = futex_word        acquire        W6 head = n                          release
//     wake_at = n              relaxed        W7 fence                             seq_cst
//  S2 fence                    seq_cst        W8 wake_at <= n ?                    relaxed
//  S3 head >= n, or state                        futex_word + 1                    release
//     changed? then do not sleep                 FUTEX_WAKE, eventfd or line
//  S4 FUTEX_WAIT while the word is still `word`; or poll the eventfd or the line
//
// S2 with W7: either the writer sees wake_at and rings, or the reader sees head and stays awake.
//     Without either fence both can miss, and the reader sleeps beside a frame that is there.
// S1 with W8: a ring between S1 and S4 changes the word, so S4 returns at once. (eventfd and line
//     keep the ring by themselves.) The word may wrap: a reader that sleeps through 2^32 rings
//     checked head at S3.
#include "ring/reader.h"

#include <algorithm>

#include "ring/cores.h"
#include "ring/futex.h"
#include "ring/ordering.h"
#include "ring/probes.h"
#include "ring/trail.h"

namespace framering {
namespace {

constexpr std::uint32_t kNoCell = UINT32_MAX;
constexpr int kCopyTries = 16;  // lapped while copying so often: let the caller look at its clock

}  // namespace

void RingReader::attach(const RingView& ring, const BellPage* bell, Start start,
                        bool resumed) noexcept {
  ring_ = ring;
  bell_ = bell;
  trail_ = {};  // the same number and position may be another frame in this ring
  lost_pending_ = 0;
  need_key_ = ring.inter_coded();
  begun_ = false;
  caught_up_ = false;
  wants_key_ = false;
  next_ = 1;
  const std::uint64_t first = first_frame(start);
  if (resumed && first > next_) lose(counts_.lost_skipped, first);
  next_ = first;
}

void RingReader::detach() noexcept {
  disarm();
  ring_ = RingView();
  bell_ = nullptr;
}

void RingReader::set_policy(Policy policy, std::uint32_t max_lag_frames) noexcept {
  policy_ = policy;
  max_lag_ = max_lag_frames;
}

std::uint64_t RingReader::first_frame(Start start) noexcept {
  const auto [head, key] = ring_.newest();
  if (start == Start::head || head == 0) return head + 1;
  FrameRecord record;
  if (start == Start::key) {
    if (key != 0 && ring_.read_slot(key, record) == SlotState::whole) return key;
    wants_key_ = true;  // the history has none: without asking we would wait for a whole group
    return head + 1;
  }
  for (std::uint64_t n = ring_.oldest_kept(1, head); n <= head; ++n) {
    if (ring_.read_slot(n, record) == SlotState::whole && (record.meta.flags & kFrameKey) != 0) {
      return n;
    }
  }
  wants_key_ = true;
  return head + 1;
}

ReadOutcome RingReader::find_next(FrameRecord& record) noexcept {
  if (!ring_.is_open()) return ReadOutcome::nothing;
  // Bounded whatever the producer writes: each step passes at least one slot or returns.
  for (std::uint64_t steps = 2 * std::uint64_t{ring_.slot_count()} + 16; steps != 0; --steps) {
    const auto [head, key] = ring_.newest();  // R1
    if (head < next_) return ReadOutcome::nothing;
    follow_policy(head, key);
    if (head < next_) return ReadOutcome::nothing;
    const SlotState slot = ring_.read_slot(next_, record);  // R2
    if (slot == SlotState::nonsense) return ReadOutcome::broken;
    if (slot == SlotState::given_up) {
      fall_behind(head);
      continue;
    }
    const bool unknown = (record.meta.flags & ~kFrameMayIgnore) != 0;
    if (unknown) need_key_ = ring_.inter_coded();
    if (unknown || (need_key_ && (record.meta.flags & kFrameKey) == 0)) {
      if (key <= next_) wants_key_ = begun_;
      lose(counts_.lost_undecodable, next_ + 1);
      continue;
    }
    return ReadOutcome::frame;
  }
  return ReadOutcome::nothing;
}

// Moves next_ forward where the policy does not want the frames in between.
void RingReader::follow_policy(std::uint64_t head, std::uint64_t key) noexcept {
  switch (policy_) {
    case Policy::every:
      return;
    case Policy::newest:
      if (key > next_) lose(counts_.lost_skipped, key);
      return;
    case Policy::live:
      if (need_key_ && key > next_) {
        lose(counts_.lost_undecodable, key);
      } else if (max_lag_ != 0 && caught_up_ && head - next_ >= max_lag_) {
        caught_up_ = false;
        if (key > next_) {
          lose(counts_.lost_skipped, key);
        } else {  // none is held that is newer: what comes until the next one is of no use
          lose(counts_.lost_skipped, head + 1);
          need_key_ = ring_.inter_coded();
          wants_key_ = need_key_;
        }
      }
      return;
  }
}

// Frame next_ was overwritten. Goes on at a distance from the writer's edge, for who begins right
// at it is overrun again at once.
void RingReader::fall_behind(std::uint64_t head) noexcept {
  const std::uint64_t oldest = std::max(ring_.oldest_kept(next_, head), next_ + 1);
  const std::uint64_t margin = head > oldest ? (head - oldest) / 8 : 0;
  FRAMERING_PROBE2(lapped, next_, oldest + margin);
  lose(counts_.lost_lapped, oldest + margin);
  need_key_ = ring_.inter_coded();
  caught_up_ = false;
}

// Frames [next_, up_to) are not handed out.
void RingReader::lose(std::uint64_t& counter, std::uint64_t up_to) noexcept {
  const std::uint64_t frames = up_to - next_;
  next_ = up_to;
  // Before the first key frame there is nothing that this reader could have lost.
  if (&counter == &counts_.lost_undecodable && !begun_) return;
  counter += frames;
  lost_pending_ += frames;
}

// Copies what there is of frame next_ while its writer still copies, until it is published. Gives
// up when nothing has come for a while; what was copied is kept for later.
void RingReader::trail(std::span<std::byte> buffer) noexcept {
  const RingView::Arriving arriving = ring_.arriving();  // t1
  if (arriving.number != next_ || need_key_) return;
  if (trail_.number != next_ || trail_.position != arriving.position ||
      trail_.buffer != buffer.data()) {
    trail_ = {next_, arriving.position, buffer.data(), 0};
  }
  const std::byte* const from = ring_.bytes_at(arriving.position);
  const std::size_t end = std::min<std::size_t>(arriving.bytes, buffer.size());
  for (int looks = kTrailLooks; looks != 0 && ring_.head() < next_;) {
    const std::uint64_t arrived = ring_.arrived();  // t3
    const std::size_t there =
        arrived > arriving.position ? std::min(arrived - arriving.position, end) : 0;
    // Whole pieces, so that a producer that lies cannot keep us here byte by byte.
    if (there < std::min(trail_.bytes + kTrailPieceBytes, end) || there == trail_.bytes) {
      --looks;
      spin_pause();
      continue;
    }
    copy_racing(buffer.data() + trail_.bytes, from + trail_.bytes, there - trail_.bytes);  // t2
    trail_.bytes = there;
    looks = kTrailLooks;
  }
}

// An early bell is worth its price where a core is free for us at once. Some schedulers leave us on
// the writer's own until it is done (a halted virtual core does not count as idle): then we do
// without, and try again after a while.
void RingReader::judge_early_bell(std::size_t bytes, bool followed) noexcept {
  if (early_pause_ != 0) {
    --early_pause_;
  } else if (trailing_ && bytes >= kTrailBytes) {
    late_ = followed ? 0 : late_ + 1;
    if (late_ < kLateBells) return;
    late_ = 0;
    early_pause_ = kEarlyPause;
  }
}

// How many bytes of the frame are in `buffer` already.
std::size_t RingReader::trailed(const FrameRecord& record,
                                std::span<std::byte> buffer) const noexcept {
  const bool same = trail_.number == next_ && trail_.position == record.position &&
                    trail_.buffer == buffer.data();
  return same ? std::min<std::size_t>(trail_.bytes, record.size) : 0;
}

ReadOutcome RingReader::copy_next(Frame& frame, std::span<std::byte> buffer) noexcept {
  if (trailing_ && ring_.is_open() && ring_.head() < next_) trail(buffer);
  FrameRecord record;
  for (int tries = 0; tries < kCopyTries; ++tries) {
    const ReadOutcome outcome = find_next(record);
    if (outcome != ReadOutcome::frame) return outcome;
    if (record.size > buffer.size()) {
      frame.bytes = ring_.bytes_of(record);
      return ReadOutcome::too_small;
    }
    const std::size_t done = trailed(record, buffer);
    copy_racing(buffer.data() + done, ring_.bytes_of(record).data() + done, record.size - done);
    fence_acquire();                                    // C: the copy is before the check; meets W2
    if (!ring_.kept(next_, record.position)) continue;  // overrun: find_next counts it
    judge_early_bell(record.size, done != 0);
    deliver(frame, record, buffer.first(record.size));
    return ReadOutcome::frame;
  }
  return ReadOutcome::nothing;
}

ReadOutcome RingReader::lease_next(Frame& frame) noexcept {
  FrameRecord record;
  for (int tries = 0; tries < kCopyTries; ++tries) {
    const ReadOutcome outcome = find_next(record);
    if (outcome != ReadOutcome::frame) return outcome;
    const std::uint32_t cell = free_cell(next_);
    if (cell == kNoCell || !attachment_is(Attachment::attached)) return ReadOutcome::no_cell;
    // R3. release: a cell that is used again goes on with what R6 released of its former lease.
    page_.lease[cell].store(next_, std::memory_order_release);
    fence_seq_cst();                            // R4
    if (!ring_.kept(next_, record.position)) {  // R5
      page_.lease[cell].store(0, std::memory_order_release);
      continue;
    }
    const std::span<const std::byte> bytes = ring_.bytes_of(record);
    held_[cell] = Held{bytes.data(), next_, bell_};
    ++leases_held_;
    deliver(frame, record, bytes);
    return ReadOutcome::frame;
  }
  return ReadOutcome::nothing;
}

void RingReader::deliver(Frame& frame, const FrameRecord& record,
                         std::span<const std::byte> bytes) noexcept {
  frame.generation = ring_.generation();
  frame.number = next_;
  frame.lost_before = lost_pending_;
  frame.published_ns = record.published_ns;
  frame.meta = record.meta;
  frame.bytes = bytes;
  lost_pending_ = 0;
  begun_ = true;
  need_key_ = false;
  if (next_ == ring_.head()) caught_up_ = true;
  ++counts_.delivered;
  delivered_bytes_ += bytes.size();
  // relaxed, all: statistics for broker and producer.
  page_.read_to.store(next_, std::memory_order_relaxed);
  page_.delivered.store(counts_.delivered, std::memory_order_relaxed);
  page_.delivered_bytes.store(delivered_bytes_, std::memory_order_relaxed);
  page_.lost_lapped.store(counts_.lost_lapped, std::memory_order_relaxed);
  page_.lost_skipped.store(counts_.lost_skipped, std::memory_order_relaxed);
  page_.lost_undecodable.store(counts_.lost_undecodable, std::memory_order_relaxed);
  ++next_;
}

// A cell for frame n, other than one in which just this frame was revoked: that word still says so.
std::uint32_t RingReader::free_cell(std::uint64_t n) const noexcept {
  if (bell_ == nullptr) return kNoCell;
  for (std::uint32_t cell = 0; cell < ring_.lease_cells(); ++cell) {
    if (held_[cell].bytes == nullptr && bell_->revoked[cell].load(std::memory_order_relaxed) != n) {
      return cell;
    }
  }
  return kNoCell;
}

const RingReader::Held* RingReader::held(const Frame& frame) const noexcept {
  if (frame.bytes.data() == nullptr) return nullptr;
  const auto found = std::ranges::find_if(held_, [&](const Held& lease) {
    return lease.bytes == frame.bytes.data() && lease.number == frame.number;
  });
  return found == held_.end() ? nullptr : &*found;
}

bool RingReader::lease_valid(const Frame& frame) const noexcept {
  const Held* const lease = held(frame);
  if (lease == nullptr) return true;  // a copy
  const auto cell = static_cast<std::size_t>(lease - held_.data());
  fence_acquire();  // R7: the last look at the bytes is before these loads
  return lease->bell->attachment.load(std::memory_order_relaxed) ==
             static_cast<std::uint32_t>(Attachment::attached) &&
         lease->bell->revoked[cell].load(std::memory_order_relaxed) != lease->number;
}

void RingReader::release(const Frame& frame) noexcept {
  const Held* const lease = held(frame);
  if (lease == nullptr) return;
  if (!lease_valid(frame)) {
    page_.leases_revoked.store(++counts_.leases_revoked, std::memory_order_relaxed);
  }
  const auto cell = static_cast<std::size_t>(lease - held_.data());
  held_[cell] = Held{};
  --leases_held_;
  page_.lease[cell].store(0, std::memory_order_release);  // R6
}

bool RingReader::jump_to_newest_key() noexcept {
  if (!ring_.is_open()) return false;
  FrameRecord record;
  const std::uint64_t key = ring_.newest().key;
  if (key == 0 || ring_.read_slot(key, record) != SlotState::whole) return false;
  if (key > next_) {
    lose(counts_.lost_skipped, key);
  } else {
    next_ = key;  // back: the viewer wants to see something now
  }
  caught_up_ = false;
  return true;
}

bool RingReader::go_to_key(std::uint64_t n) noexcept {
  FrameRecord record;
  if (!ring_.is_open() || n == 0 || n > ring_.head() ||
      ring_.read_slot(n, record) != SlotState::whole || (record.meta.flags & kFrameKey) == 0) {
    return false;
  }
  if (n > next_) {
    lose(counts_.lost_skipped, n);
  } else {
    next_ = n;
    lost_pending_ = 0;  // what was lost lies ahead again
  }
  caught_up_ = false;
  return true;
}

bool RingReader::arm(std::uint32_t& futex_word) noexcept {
  if (bell_ == nullptr || !ring_.is_open()) return false;
  futex_word = bell_->futex_word.load(std::memory_order_acquire);  // S1
  page_.wake_early.store(trailing_ && early_pause_ == 0 ? 1 : 0, std::memory_order_relaxed);
  page_.wake_at.store(next_, std::memory_order_relaxed);
  fence_seq_cst();                        // S2
  if (ring_.head() < next_) return true;  // S3
  disarm();
  return false;
}

void RingReader::sleep(std::uint32_t futex_word, std::int64_t timeout_ns) const noexcept {
  if (bell_ != nullptr) futex_wait(bell_->futex_word, futex_word, timeout_ns);  // S4
  FRAMERING_PROBE1(wake, next_);
}

bool RingReader::attachment_is(Attachment wanted) const noexcept {
  // acquire: C4 of reader_table.h, every later publish looks at our page.
  return bell_ != nullptr &&
         bell_->attachment.load(std::memory_order_acquire) == static_cast<std::uint32_t>(wanted);
}

}  // namespace framering
