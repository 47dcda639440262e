// SPDX-License-Identifier: Apache-2.0
//
// The producer's half of the data path: makes the ring, writes frames into it, wakes who sleeps.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bell.h"
#include "lease_ledger.h"
#include "reader_table.h"
#include "ring_layout.h"
#include "segment.h"

namespace framering {

struct RingOptions {
  std::string name;  // of the memfd, as /proc/PID/maps shows it
  std::uint32_t codec = kCodecPattern;
  bool inter_coded = false;
  std::uint32_t time_base_num = 1;  // seconds a tick = num / den
  std::uint32_t time_base_den = 1'000'000;
  std::uint32_t max_width = 0;  // pixels; 0 = not stated
  std::uint32_t max_height = 0;
  std::uint64_t arena_bytes = 4u << 20;  // rounded up to pages
  std::uint64_t max_frame_bytes = 0;     // 0: arena / 4
  std::uint32_t slot_count = 256;        // power of two
  std::uint32_t lease_cells = 8;
  std::uint32_t max_readers = 64;
};

// Threads: everything is for the publishing thread, but `readers()`, `bells()` (see there) and the
// loads. The frame path (reserve, commit, publish, set_*) takes a bounded number of steps: no lock,
// no allocation, no system call but the wake-up of readers that sleep.
class RingWriter {
 public:
  // Allocates, touches and seals everything. Throws std::invalid_argument (sizes that do not fit,
  // naming them) or std::system_error.
  explicit RingWriter(const RingOptions& options);

  // A span of exactly `bytes` in the ring, 64-byte aligned, for the next frame; empty when `bytes`
  // is 0 or over max_frame_bytes (the latter counted). Another reserve without commit replaces it.
  [[nodiscard]] std::span<std::byte> reserve(std::size_t bytes) noexcept;
  // Copies `bytes` to offset `at` of what was reserved, which must hold them. Done in order from 0
  // on, readers that wait for a large frame copy it meanwhile: what was filled stays as it is.
  void fill(std::size_t at, std::span<const std::byte> bytes) noexcept;
  // Publishes the first `bytes` of what was reserved; returns the frame's number, 0 if nothing was.
  std::uint64_t commit(std::size_t bytes, const FrameMeta& meta) noexcept;
  // reserve, fill, commit. 0: not published, see reserve.
  std::uint64_t publish(std::span<const std::byte> bytes, const FrameMeta& meta) noexcept;

  // Number of this set: a new one when the bytes differ from the last. 0: over
  // kMaxParameterSetBytes.
  std::uint64_t set_parameter_sets(std::span<const std::byte> annex_b) noexcept;
  void set_state(SourceState state) noexcept;  // rings every sleeper when it changed
  void heartbeat() noexcept;
  void count_key_requests(std::uint64_t wanted, std::uint64_t granted) noexcept;  // totals

  // Any thread, for a watchdog: says what the publishing thread cannot, as it is stuck elsewhere.
  // Rings nobody; sleepers see it within a second. The next set_state takes over again.
  void overrule_state(SourceState state) noexcept;

  // Any thread.
  [[nodiscard]] int fd() const noexcept { return segment_.fd(); }
  [[nodiscard]] std::uint64_t generation() const noexcept { return header_->generation; }
  [[nodiscard]] std::uint64_t head() const noexcept {
    return header_->head.load(std::memory_order_acquire);
  }
  [[nodiscard]] const RingHeader& header() const noexcept { return *header_; }
  [[nodiscard]] ReaderTable& readers() noexcept { return readers_; }
  [[nodiscard]] Bells& bells() noexcept { return bells_; }

 private:
  [[nodiscard]] std::uint64_t claim(std::uint64_t bytes) noexcept;
  void announce(std::uint64_t position, std::uint64_t bytes) noexcept;
  void begin_arrival() noexcept;
  void wake_sleepers(bool whatever_they_wait_for) noexcept;
  void wake_early() noexcept;
  void ring_collected(std::uint64_t rung_before) noexcept;

  OwnSegment segment_;
  RingHeader* header_ = nullptr;
  FrameSlot* slots_ = nullptr;
  ParameterSetBuffer* parameter_sets_ = nullptr;
  std::byte* arena_ = nullptr;
  ReaderTable readers_;
  Bells bells_;
  LeaseLedger leases_;

  // Publishing thread only. Copies of what stands in the ring: the ring is never read back.
  std::uint64_t head_ = 0;
  std::uint64_t cursor_ = 0;     // position after the newest frame
  std::uint64_t reclaimed_ = 0;  // as announced
  std::uint64_t reserved_position_ = 0;
  std::uint64_t reserved_bytes_ = 0;  // 0: nothing is reserved
  bool arriving_ = false;             // readers were told of what is reserved
  std::size_t filled_ = 0;            // bytes of it, from the first on
  int early_bells_ = 0;  // for one frame: who follows a copy needs a core beside the writer's
  std::uint64_t bytes_published_ = 0;
  std::uint64_t frames_too_large_ = 0;
  std::uint64_t stepped_over_ = 0;
  std::uint64_t revoked_ = 0;  // as stored in the header
  std::uint64_t parameter_set_ = 0;
  std::vector<std::byte> parameter_bytes_;  // of the newest set; capacity fixed at construction
  SourceState state_ = SourceState::starting;
  std::atomic<bool> overruled_{false};  // what stands in the ring is not state_
};

}  // namespace framering
