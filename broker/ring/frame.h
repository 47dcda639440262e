// SPDX-License-Identifier: Apache-2.0
//
// What a reader is handed, and the words it is configured with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "page_layout.h"
#include "ring_layout.h"

namespace framering {

// What a reader does when it cannot keep up.
enum class Policy : std::uint8_t {
  newest,  // jump to the newest frame that can be decoded by itself
  live,    // in order; lapped or too far behind: jump to a key frame
  every,   // in order, each loss reported with its size
};

// Where a reader begins.
enum class Start : std::uint8_t {
  key,     // the newest key frame held
  oldest,  // the oldest key frame held
  head,    // the next frame to come (of an inter-coded stream: the next key frame)
};

// One frame. `bytes` is owned by the reader that filled it in and stays valid until that reader's
// next call (copy), or until the lease is released (lease).
struct Frame {
  std::uint64_t generation = 0;
  std::uint64_t number = 0;        // 1, 2, 3 ... within a generation
  std::uint64_t lost_before = 0;   // frames published since the previous one but not handed out
  std::uint64_t published_ns = 0;  // CLOCK_MONOTONIC
  FrameMeta meta;
  std::span<const std::byte> bytes;

  [[nodiscard]] bool key() const noexcept { return (meta.flags & kFrameKey) != 0; }
};

// What a reader has seen since it was made, over all generations.
struct ReadCounts {
  std::uint64_t delivered = 0;
  std::uint64_t lost_lapped = 0;       // overwritten before they were read
  std::uint64_t lost_skipped = 0;      // passed over by the policy
  std::uint64_t lost_undecodable = 0;  // dropped while waiting for a key frame
  std::uint64_t leases_revoked = 0;

  [[nodiscard]] std::uint64_t lost() const noexcept {
    return lost_lapped + lost_skipped + lost_undecodable;
  }
};

}  // namespace framering
