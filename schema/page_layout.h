// SPDX-License-Identifier: Apache-2.0
//
// The two pages of a reader: what it writes, and what the producer writes for it alone. Each is a
// memfd that its writer made, mapped and then sealed; the other side maps it read-only. Specified
// in schema/README.md.
#pragma once

#include "ring_layout.h"

namespace framering {

inline constexpr std::uint64_t kReaderPageMagic = 0x52444145'52474E52;  // "RNGREADR"
inline constexpr std::uint64_t kBellPageMagic = 0x4C4C4542'52474E52;    // "RNGRBELL"

// How a sleeping reader is woken.
enum class Bell : std::uint32_t {
  futex = 0,    // BellPage::futex_word; the default
  eventfd = 1,  // for event loops of readers whom the access list trusts
  line = 2,     // one byte on the line, for event loops of everybody else
};

//      0         8         16        24        32        40        48        56
//   0  │ magic   │ver│  ·  │                                                           │ fixed
//  64  │ wake_at │erl│  ·  │                                                           │ wake-up
// 128  │demand│· │key_reqs │backl_f│b│want_kb│·│                                       │ wishes
// 192  │read_to  │delivered│lapped   │skipped  │undecod. │revoked  │bytes    │attach_ns│ statistics
// 256  │ zero up to 512
// 512  │ lease[64] up to 1024; zero up to 4096
struct alignas(kCacheLine) ReaderPage {
  SharedU64 magic;               // kReaderPageMagic, stored last
  std::uint32_t layout_version;  // kLayoutVersion of the reader
  std::uint32_t reserved_fixed;

  // Frame that ends the reader's sleep: "wake me when frame wake_at or a later one is there". 0:
  // awake.
  alignas(kCacheLine) SharedU64 wake_at;
  SharedU32 wake_early;  // 1: or when wake_at begins to arrive, to copy it meanwhile; a hint
  std::uint32_t reserved_wake;

  alignas(kCacheLine) SharedU32 demand;  // 1: wants frames, 0: paused
  std::uint32_t reserved_demand;
  SharedU64 key_requests;    // how many key frames it has asked for, ever
  SharedU32 backlog_frames;  // what waits behind this reader (its viewers' queues)
  SharedU32 backlog_bytes;   //
  SharedU32 wanted_kbps;     // what its viewers can take; 0 = no opinion
  std::uint32_t reserved_wish;

  alignas(kCacheLine) SharedU64 read_to;  // newest frame it has dealt with
  SharedU64 delivered;                    // frames handed out
  SharedU64 lost_lapped;                  // overwritten before it came
  SharedU64 lost_skipped;                 // passed over by its policy
  SharedU64 lost_undecodable;             // dropped while waiting for a key frame
  SharedU64 leases_revoked;               // found revoked on release or on checking
  SharedU64 delivered_bytes;
  SharedU64 attached_ns;  // CLOCK_MONOTONIC

  alignas(kCacheLine) std::byte reserved_tail[256];
  SharedU64 lease[kMaxLeaseCells];  // frame number in use, 0 = free (R3)
};
static_assert(offsetof(ReaderPage, wake_at) == 64 && offsetof(ReaderPage, wake_early) == 72);
static_assert(offsetof(ReaderPage, demand) == 128);
static_assert(offsetof(ReaderPage, key_requests) == 136 && offsetof(ReaderPage, read_to) == 192);
static_assert(offsetof(ReaderPage, lease) == 512 && sizeof(ReaderPage) == 1024);

enum class Attachment : std::uint32_t {
  pending = 0,  // the publishing thread may not see the reader yet: copy, but do not lease or sleep
  attached = 1,  // every publish from here on looks at the reader page
  detached = 2,  // the producer has let go; attach again
};

//      0         8         16                64
//   0  │ magic   │ver│  ·  │                  │ fixed
//  64  │futex│ · │                            │ wake-up
// 128  │attac│ · │                            │ attached, detached
// 192  │ zero up to 512
// 512  │ revoked[64] up to 1024; zero up to 4096
struct alignas(kCacheLine) BellPage {
  SharedU64 magic;  // kBellPageMagic, stored last
  std::uint32_t layout_version;
  std::uint32_t reserved_fixed;

  alignas(kCacheLine) SharedU32 futex_word;  // counts rings; wraps
  alignas(kCacheLine) SharedU32 attachment;  // Attachment
  alignas(kCacheLine) std::byte reserved_tail[320];
  SharedU64 revoked[kMaxLeaseCells];  // frame whose lease in this cell no longer protects; 0 = none
};
static_assert(offsetof(BellPage, futex_word) == 64 && offsetof(BellPage, attachment) == 128);
static_assert(offsetof(BellPage, revoked) == 512 && sizeof(BellPage) == 1024);
static_assert(sizeof(ReaderPage) <= kPageBytes && sizeof(BellPage) <= kPageBytes);

}  // namespace framering
