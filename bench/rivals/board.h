// SPDX-License-Identifier: Apache-2.0
//
// The memory in which the processes of one lane keep their orders and figures, and what they write
// into each frame.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>

#include "shared_word.h"

namespace framering::bench {

inline constexpr std::uint32_t kMostReaders = 64;
inline constexpr std::uint32_t kMostFrames = 1024;  // of a run; later ones are only counted
inline constexpr std::uint32_t kNobody = UINT32_MAX;

struct Order {
  enum class Kind : std::uint32_t { run, rehearse, quit };
  Kind kind = Kind::run;
  std::uint32_t frames = 0;       // 0: as many as go into duration_ns
  std::uint64_t interval_ns = 0;  // 0: unpaced
  std::uint64_t duration_ns = 0;
  std::uint32_t worst_reader = kNobody;  // stops itself at its worst moment,
  std::uint32_t worst_frame = 0;         // from this frame on
};

// Words of different writers lie on different lines.
struct Board {
  alignas(64) SharedU32 order_count{0};  // main: counts orders; everybody sleeps on it
  Order order;                           // main, before that
  alignas(64) SharedU32 ready{0};        // who waits for frames
  alignas(64) SharedU32 done{0};
  alignas(64) SharedU32 rehearsed{0};  // readers that got a frame
  alignas(64) SharedU32 failed{0};
  char error[256] = {};  // of the first that failed

  struct alignas(64) Publisher {
    SharedU32 finished{0};  // the run's number, after its last frame
    std::uint64_t begin_ns = 0;
    SharedU64 until_ns{0};  // bytes that arrive later are not counted; 0: not begun
    SharedU32 frames{0};
    std::uint64_t began_ns[kMostFrames] = {};
    std::uint32_t took_ns[kMostFrames] = {};
  } publisher;
  struct alignas(64) Reader {
    std::uint64_t frames = 0;  // that arrived in time
    std::uint64_t torn = 0;    // mixed, short, or taken away while they were looked at
    std::uint32_t latency_ns[kMostFrames] = {};  // 0: it never came
  } reader[kMostReaders];
};

// At the start of a frame, and its number at the start of every page and at the very end: what is
// torn or overwritten shows, and looking costs every lane the same.
struct Stamp {
  std::uint64_t number;  // run << 32 | index
  std::uint64_t began_ns;
};
inline constexpr std::size_t kStampStep = 4096;

inline void write_numbers(std::span<std::byte> frame, std::uint64_t number) {
  for (std::size_t at = 0; at + sizeof number <= frame.size(); at += kStampStep) {
    std::memcpy(frame.data() + at, &number, sizeof number);
  }
  std::memcpy(frame.data() + frame.size() - sizeof number, &number, sizeof number);
}
inline void write_time(std::span<std::byte> frame, std::uint64_t began_ns) {
  std::memcpy(frame.data() + offsetof(Stamp, began_ns), &began_ns, sizeof began_ns);
}
[[nodiscard]] inline Stamp stamp_of(std::span<const std::byte> frame) {
  Stamp stamp{};
  if (frame.size() >= sizeof stamp) std::memcpy(&stamp, frame.data(), sizeof stamp);
  return stamp;
}
[[nodiscard]] inline bool is_whole(std::span<const std::byte> frame, std::uint64_t number) {
  std::uint64_t seen = 0;
  for (std::size_t at = 0; at + sizeof seen <= frame.size(); at += kStampStep) {
    std::memcpy(&seen, frame.data() + at, sizeof seen);
    if (seen != number) return false;
  }
  std::memcpy(&seen, frame.data() + frame.size() - sizeof seen, sizeof seen);
  return seen == number;
}

}  // namespace framering::bench
