// SPDX-License-Identifier: Apache-2.0
//
// The ring: what a producer writes and every reader maps read-only. Specified in schema/README.md.
//
//   0 ┌──────────────────────────────┐
//     │ RingHeader            512 B  │ fixed part, then one cache line for each group of words
// 512 │ (zero)                       │
// 4096├──────────────────────────────┤
//     │ ParameterSetBuffer ×2 2 KiB  │ SPS, PPS, VPS; set k lives in buffer k mod 2
// 8192├──────────────────────────────┤
//     │ FrameSlot × slot_count 128 B │ frame n lives in slot n mod slot_count
//     ├──────────────────────────────┤ arena_offset, a multiple of 4096
//     │ arena, arena_bytes           │ the byte at position p lies at
//     └──────────────────────────────┘ arena_offset + p mod arena_bytes; ends at segment_bytes
//
// One memfd for each stream and generation. Little-endian. Only the producer writes.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "shared_word.h"

namespace framering {

static_assert(std::endian::native == std::endian::little, "the layout is little-endian");

inline constexpr std::uint64_t kRingMagic = 0x474E4952'454D5246;  // "FRMERING"
inline constexpr std::uint32_t kLayoutVersion = 1;
inline constexpr std::size_t kCacheLine = 64;
inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kFrameAlignment = 64;     // of a frame's first byte in the arena
inline constexpr std::size_t kMaxFrameDivisor = 4;     // the largest frame is arena / 4
inline constexpr std::uint32_t kMaxSlotCount = 65536;  // bounds the slot table to 8 MiB
inline constexpr std::uint32_t kMaxLeaseCells = 64;  // fits ReaderPage::lease and BellPage::revoked
inline constexpr std::uint64_t kMaxFrameNumber = std::uint64_t{1} << 62;
inline constexpr std::uint64_t kMaxArenaBytes = std::uint64_t{1} << 36;  // 64 GiB

constexpr std::uint32_t fourcc(char a, char b, char c, char d) {
  return static_cast<std::uint32_t>(static_cast<unsigned char>(a)) |
         static_cast<std::uint32_t>(static_cast<unsigned char>(b)) << 8 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(c)) << 16 |
         static_cast<std::uint32_t>(static_cast<unsigned char>(d)) << 24;
}

// What the bytes are. Raw pictures use their DRM fourcc (drm_fourcc.h), for example I420 = 'YU12'.
inline constexpr std::uint32_t kCodecH264 = fourcc('H', '2', '6', '4');     // ITU-T H.264 Annex B
inline constexpr std::uint32_t kCodecH265 = fourcc('H', '2', '6', '5');     // ITU-T H.265 Annex B
inline constexpr std::uint32_t kCodecMjpeg = fourcc('M', 'J', 'P', 'G');    // one JPEG per frame
inline constexpr std::uint32_t kCodecPattern = fourcc('P', 'A', 'T', 'N');  // numbered, checksummed
inline constexpr std::uint32_t kCodecI420 = fourcc('Y', 'U', '1', '2');     // DRM_FORMAT_YUV420
inline constexpr std::uint32_t kCodecNv12 = fourcc('N', 'V', '1', '2');     // DRM_FORMAT_NV12

// RingHeader::flags. A reader that meets an unknown bit of the upper half must refuse the ring.
inline constexpr std::uint32_t kStreamMayIgnore = 0x0000'FFFF;
inline constexpr std::uint32_t kStreamInterCoded = 1u << 16;  // frames depend on earlier ones
inline constexpr std::uint32_t kStreamKnownFlags = kStreamMayIgnore | kStreamInterCoded;

// FrameMeta::flags. A frame with an unknown bit of the upper half counts as lost.
inline constexpr std::uint32_t kFrameMayIgnore = 0x0000'FFFF;
inline constexpr std::uint32_t kFrameKey = 1u << 0;  // decodable by itself (IDR, JPEG, raw)
inline constexpr std::uint32_t kFrameHasParameters = 1u << 1;  // its SPS and PPS are in the bytes
inline constexpr std::uint32_t kFrameDiscontinuity = 1u << 2;  // source or encoder was restarted
inline constexpr std::uint32_t kFrameDroppable = 1u << 3;      // nothing refers to it

enum class SourceState : std::uint32_t {
  starting = 0,
  live = 1,
  no_signal = 2,
  unsupported_resolution = 3,
  changing_resolution = 4,
  encoder_error = 5,
  frame_too_large = 6,
  ended = 7,     // the producer has finished; no frame follows in this generation
  replaced = 8,  // a newer generation of this stream exists
  idle = 9,      // nobody wants the stream, so it is not captured
};

// What describes a frame, as its producer gave it. Times are CLOCK_MONOTONIC nanoseconds, 0 =
// unknown.
struct FrameMeta {
  std::int64_t pts = 0;                // presentation time, in RingHeader::time_base
  std::int64_t dts = 0;                // decoding time, in RingHeader::time_base
  std::uint64_t captured_ns = 0;       // when the picture left the sensor or grabber
  std::uint64_t encoded_ns = 0;        // when the encoder handed it over
  std::uint64_t parameter_set = 0;     // number of the set it needs; 0 = none
  std::uint32_t flags = 0;             // kFrame...
  std::uint32_t codec = 0;             // kCodec... or a DRM fourcc
  std::uint32_t width = 0;             // pixels
  std::uint32_t height = 0;            // pixels
  std::uint32_t stride[4] = {};        // raw pictures: bytes from row to row of each plane
  std::uint32_t plane_offset[4] = {};  // raw pictures: first byte of each plane, in the frame
  std::uint8_t colour_primaries = 0;   // ITU-T H.273 code points; 0 = unspecified
  std::uint8_t transfer = 0;
  std::uint8_t matrix = 0;
  std::uint8_t full_range = 0;  // 1: samples use 0..255
  std::uint32_t reserved = 0;
};
static_assert(sizeof(FrameMeta) == 96 && alignof(FrameMeta) == 8);
static_assert(std::is_trivially_copyable_v<FrameMeta>);
static_assert(offsetof(FrameMeta, flags) == 40 && offsetof(FrameMeta, stride) == 56);
static_assert(offsetof(FrameMeta, colour_primaries) == 88);

// A slot without its number: where frame n lies, and what it is.
struct FrameRecord {
  std::uint64_t position = 0;      // of its first byte in the arena; only grows
  std::uint64_t published_ns = 0;  // CLOCK_MONOTONIC
  std::uint32_t size = 0;          // bytes
  std::uint32_t reserved = 0;
  FrameMeta meta;
};
static_assert(sizeof(FrameRecord) == 120 && offsetof(FrameRecord, meta) == 24);

//   0        8          16             24     28         32                             128
//   │ number │ position │ published_ns │ size │ reserved │ FrameMeta                      │
struct alignas(kCacheLine) FrameSlot {
  SharedU64 number;    // frame in this slot, stored after the record (W5); 0 = never used
  FrameRecord record;  // valid while `number` is not given up by RingHeader::intent
};
static_assert(sizeof(FrameSlot) == 128 && offsetof(FrameSlot, record) == 8);

//   0        8      12         16                        2048
//   │ number │ size │ reserved │ Annex-B parameter sets    │
struct alignas(kCacheLine) ParameterSetBuffer {
  SharedU64 number;    // set in this buffer, stored after its bytes; 0 = never used
  std::uint32_t size;  // bytes used
  std::uint32_t reserved;
  std::byte bytes[2048 - 16];
};
static_assert(sizeof(ParameterSetBuffer) == 2048 && offsetof(ParameterSetBuffer, bytes) == 16);
inline constexpr std::size_t kMaxParameterSetBytes = sizeof(ParameterSetBuffer::bytes);

//      0         8         16        24        32        40        48        56
//   0  │ magic   │ver│size │generat. │segment_b│arena_off│arena_b. │slots│ctn│slot_off │ fixed
//  64  │codec│flg│tb n│tb d│max w│ h │max_frame│cells│rdr│created  │param_off│    ·    │ fixed
// 128  │ head    │ newest_key        ·                                                 │ each publish
// 192  │reclaimed│ intent  │parameter_intent             ·                             │ announced
// 256  │state│ · │since_ns │heartbeat│param_set│width│hgt│              ·              │ seldom
// 320  │bytes    │too_large│key_wantd│key_grant│stepped  │revoked  │bells    │ringer   │ statistics
// 384  │arriving │position │bytes    │arrived  │              ·                        │ large frames
// 448  │ zero up to 512
struct alignas(kCacheLine) RingHeader {
  // Fixed once `magic` is stored.
  SharedU64 magic;               // kRingMagic, stored last: the ring is ready
  std::uint32_t layout_version;  // kLayoutVersion of the producer
  std::uint32_t header_bytes;    // sizeof(RingHeader)
  std::uint64_t generation;      // random, never 0: this life of the producer
  std::uint64_t segment_bytes;   // length of the memfd
  std::uint64_t arena_offset;    // multiple of kPageBytes
  std::uint64_t arena_bytes;     // multiple of kPageBytes
  std::uint32_t slot_count;      // power of two
  std::uint32_t slot_bytes;      // sizeof(FrameSlot)
  std::uint64_t slots_offset;    // multiple of kCacheLine

  std::uint32_t codec;            // of the stream; a frame may refine it
  std::uint32_t flags;            // kStream...
  std::uint32_t time_base_num;    // seconds a tick = num / den
  std::uint32_t time_base_den;    //
  std::uint32_t max_width;        // pixels; 0 = not stated
  std::uint32_t max_height;       //
  std::uint64_t max_frame_bytes;  // at most arena_bytes / kMaxFrameDivisor
  std::uint32_t lease_cells;      // cells a reader may use, at most kMaxLeaseCells
  std::uint32_t max_readers;      //
  std::uint64_t created_ns;       // CLOCK_MONOTONIC
  std::uint64_t parameter_sets_offset;
  std::uint64_t reserved_fixed;

  // Written at every publish, after the frame is whole.
  alignas(kCacheLine) SharedU64 head;  // newest frame; 0 = none yet (W6)
  SharedU64 newest_key;                // newest key frame; 0 = none yet; stored before head

  // Announced before anything is overwritten (W1). They only grow.
  alignas(kCacheLine) SharedU64 reclaimed;  // arena positions below this may be overwritten
  SharedU64 intent;            // frame about to be written; frame intent - slot_count is given up
  SharedU64 parameter_intent;  // set about to be written; set parameter_intent - 2 is given up

  // Changes now and then.
  alignas(kCacheLine) SharedU32 source_state;  // SourceState
  std::uint32_t reserved_state;
  SharedU64 state_since_ns;  // CLOCK_MONOTONIC
  SharedU64 heartbeat_ns;    // CLOCK_MONOTONIC, at least once a second while live
  SharedU64 parameter_set;   // newest set; 0 = none
  SharedU32 width;           // pixels of the newest frame; 0 = unknown
  SharedU32 height;

  // Statistics since this generation began.
  alignas(kCacheLine) SharedU64 bytes_published;
  SharedU64 frames_too_large;      // skipped, since over max_frame_bytes
  SharedU64 key_requests_wanted;   // as readers asked
  SharedU64 key_requests_granted;  // as passed to the encoder
  SharedU64 leases_stepped_over;
  SharedU64 leases_revoked;
  SharedU64 bells_rung;
  SharedU64 bells_by_ringer;  // rung by the separate thread

  // A large frame while it is being written, so that readers may copy what is there of it already.
  // What they copied means nothing before the frame is published where they took it from.
  alignas(kCacheLine) SharedU64 arriving;  // its number, stored after the next two (T1)
  SharedU64 arriving_position;             // of its first byte in the arena
  SharedU64 arriving_bytes;                // its size at most
  SharedU64 arrived;                       // of the arena, what lies below is there (T3)

  alignas(kCacheLine) std::byte reserved_tail[64];
};
static_assert(sizeof(RingHeader) == 512 && alignof(RingHeader) == kCacheLine);
static_assert(offsetof(RingHeader, generation) == 16 && offsetof(RingHeader, slots_offset) == 56);
static_assert(offsetof(RingHeader, codec) == 64 && offsetof(RingHeader, max_frame_bytes) == 88);
static_assert(offsetof(RingHeader, parameter_sets_offset) == 112);
static_assert(offsetof(RingHeader, head) == 128 && offsetof(RingHeader, newest_key) == 136);
static_assert(offsetof(RingHeader, reclaimed) == 192 && offsetof(RingHeader, intent) == 200);
static_assert(offsetof(RingHeader, source_state) == 256 &&
              offsetof(RingHeader, heartbeat_ns) == 272);
static_assert(offsetof(RingHeader, bytes_published) == 320);
static_assert(offsetof(RingHeader, arriving) == 384 && offsetof(RingHeader, arrived) == 408);
static_assert(offsetof(RingHeader, reserved_tail) == 448);

inline constexpr std::size_t kParameterSetsOffset = kPageBytes;
inline constexpr std::size_t kSlotsOffset = 2 * kPageBytes;
static_assert(2 * sizeof(ParameterSetBuffer) == kSlotsOffset - kParameterSetsOffset);

}  // namespace framering
