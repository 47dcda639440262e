// SPDX-License-Identifier: Apache-2.0
//
// A reader's half of the data path: which frame comes next, and getting it whole, by copy or by
// lease.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "frame.h"
#include "page_layout.h"
#include "ring_view.h"

namespace framering {

enum class ReadOutcome : std::uint8_t {
  frame,      // handed out
  nothing,    // everything published has been dealt with (or the writer is too fast just now: try
              // again)
  no_cell,    // lease_next only: not attached, or every lease cell is in use; copy instead
  too_small,  // copy_next only: so is the buffer for the size of `frame.bytes`, which are not
              // protected; the frame is still the next one
  broken,     // the ring says what cannot be true; let go of it
};

// Not thread-safe; one for each ReaderPage. Never allocates, locks, logs or throws. Does not own
// the memory that it is shown: the ring and the pages must stay mapped between attach and detach,
// and as long as a lease is held.
class RingReader {
 public:
  // `page` is this reader's own, mapped writable. It serves one generation after the other.
  explicit RingReader(ReaderPage& page) noexcept : page_(page) {}

  // Begins to read a ring. `resumed`: another generation was read before, so what this one
  // published earlier counts as lost. Leases of the former ring stay valid until released.
  void attach(const RingView& ring, const BellPage* bell, Start start, bool resumed) noexcept;
  // The same ring with another bell page, after the producer had let go of this reader: nothing is
  // lost.
  void rebind(const BellPage* bell) noexcept { bell_ = bell; }
  void detach() noexcept;
  [[nodiscard]] bool is_attached() const noexcept { return ring_.is_open(); }

  void set_policy(Policy policy, std::uint32_t max_lag_frames) noexcept;

  // Whether this reader follows the copy of a large frame that it waits for, in copy_next: without
  // sleep, as long as that goes on (trail.h). Off until said.
  void set_trailing(bool trailing) noexcept { trailing_ = trailing; }
  // What was copied of a frame before it was published is no longer in the buffer, even if the next
  // one has the same address.
  void forget_trail() noexcept { trail_ = {}; }

  // Copies the next frame into `buffer`; one of ring().max_frame_bytes() is never too small.
  [[nodiscard]] ReadOutcome copy_next(Frame& frame, std::span<std::byte> buffer) noexcept;
  // Hands out the next frame in place, protected by a lease.
  [[nodiscard]] ReadOutcome lease_next(Frame& frame) noexcept;
  // False: the lease was revoked or the producer let go of this reader; what was computed from the
  // bytes is worth nothing. Call after the last look at the bytes and before using the result.
  [[nodiscard]] bool lease_valid(const Frame& frame) const noexcept;
  void release(const Frame& frame) noexcept;  // of a frame that was copied: does nothing
  [[nodiscard]] std::uint32_t leases_held() const noexcept { return leases_held_; }

  // Goes to the newest key frame that is kept; what lies between counts as skipped.
  bool jump_to_newest_key() noexcept;
  // Goes to key frame n, which is kept, back or on. False: it is not, and nothing changes.
  bool go_to_key(std::uint64_t n) noexcept;

  // Announces that this reader is about to sleep until a frame comes. False: there is one already,
  // do not sleep. `futex_word` gets what to hand to sleep().
  [[nodiscard]] bool arm(std::uint32_t& futex_word) noexcept;
  // The frame that the last arm() waited for is there, or can be followed. For a reader that looks
  // instead of sleeping.
  [[nodiscard]] bool has_next() const noexcept {
    return ring_.head() >= next_ || (trailing_ && ring_.arriving().number == next_);
  }
  void disarm() noexcept { page_.wake_at.store(0, std::memory_order_relaxed); }
  // Sleeps on the futex of the bell page; only after arm(). Returns on any event and on none.
  void sleep(std::uint32_t futex_word, std::int64_t timeout_ns) const noexcept;

  // True once after each time that this reader found itself without a key frame it could begin
  // with.
  [[nodiscard]] bool take_key_wish() noexcept {
    const bool wish = wants_key_;
    wants_key_ = false;
    return wish;
  }

  [[nodiscard]] bool attachment_is(Attachment wanted) const noexcept;
  [[nodiscard]] const RingView& ring() const noexcept { return ring_; }
  [[nodiscard]] const ReadCounts& counts() const noexcept { return counts_; }

 private:
  struct Held {
    const std::byte* bytes = nullptr;  // null: the cell is free
    std::uint64_t number = 0;
    const BellPage* bell = nullptr;  // where its revocation would stand
  };

  // What was copied of a frame before it was published.
  struct Trail {
    std::uint64_t number = 0;
    std::uint64_t position = 0;
    const std::byte* buffer = nullptr;
    std::size_t bytes = 0;
  };

  void trail(std::span<std::byte> buffer) noexcept;
  void judge_early_bell(std::size_t bytes, bool followed) noexcept;
  [[nodiscard]] std::size_t trailed(const FrameRecord& record,
                                    std::span<std::byte> buffer) const noexcept;
  [[nodiscard]] ReadOutcome find_next(FrameRecord& record) noexcept;
  void follow_policy(std::uint64_t head, std::uint64_t key) noexcept;
  void lose(std::uint64_t& counter, std::uint64_t up_to) noexcept;
  void fall_behind(std::uint64_t head) noexcept;
  void deliver(Frame& frame, const FrameRecord& record, std::span<const std::byte> bytes) noexcept;
  [[nodiscard]] std::uint64_t first_frame(Start start) noexcept;
  [[nodiscard]] std::uint32_t free_cell(std::uint64_t n) const noexcept;
  [[nodiscard]] const Held* held(const Frame& frame) const noexcept;

  ReaderPage& page_;
  RingView ring_;
  const BellPage* bell_ = nullptr;
  Policy policy_ = Policy::live;
  std::uint32_t max_lag_ = 0;       // frames; 0: no limit
  std::uint64_t next_ = 1;          // the frame wanted next
  std::uint64_t lost_pending_ = 0;  // since the last frame handed out
  bool need_key_ = false;           // nothing can be decoded before the next key frame
  bool begun_ = false;              // something of this ring was handed out
  bool caught_up_ = false;  // was at the head since the last jump: max_lag counts from there
  bool wants_key_ = false;
  bool trailing_ = false;
  std::uint32_t late_ = 0;         // large frames in a row that could not be followed
  std::uint32_t early_pause_ = 0;  // frames to come without an early bell
  Trail trail_;
  std::array<Held, kMaxLeaseCells> held_{};
  std::uint32_t leases_held_ = 0;
  ReadCounts counts_;
  std::uint64_t delivered_bytes_ = 0;
};

}  // namespace framering
