// SPDX-License-Identifier: Apache-2.0
//
// The frames of the pattern source (kCodecPattern): each carries its number and a checksum, so that
// any reader can tell a whole frame from a torn one, and the right frame from another.
//
//   0        8        16         24
//   │ magic  │ number │ checksum │ payload: 64-bit words that follow from the number, size - 24
//   bytes
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace framering {

inline constexpr std::uint64_t kPatternMagic = 0x4E524554'54415046;  // "FPATTERN"
inline constexpr std::size_t kPatternHeaderBytes = 24;

// Sum over `bytes`, sensitive to the place of every 64-bit word. Four lanes, so that it runs near
// the speed of memory; a trailing part of less than 8 bytes counts as one word filled up with
// zeros.
inline std::uint64_t pattern_checksum(std::span<const std::byte> bytes) noexcept {
  constexpr std::uint64_t kMultiplier = 0x9E37'79B9'7F4A'7C15;
  std::uint64_t lanes[4] = {1, 2, 3, 4};
  std::size_t lane = 0;
  for (std::size_t at = 0; at < bytes.size(); at += 8) {
    std::uint64_t word = 0;
    const std::size_t left = bytes.size() - at;
    std::memcpy(&word, bytes.data() + at, left < 8 ? left : 8);
    lanes[lane] = (lanes[lane] ^ word) * kMultiplier;
    lanes[lane] ^= lanes[lane] >> 29;
    lane = (lane + 1) & 3;
  }
  return lanes[0] ^ (lanes[1] << 1) ^ (lanes[2] << 2) ^ (lanes[3] << 3) ^ bytes.size();
}

// Fills `frame` (at least kPatternHeaderBytes) as pattern frame `number`.
inline void write_pattern(std::span<std::byte> frame, std::uint64_t number) noexcept {
  const std::span<std::byte> payload = frame.subspan(kPatternHeaderBytes);
  std::uint64_t word = number * 0xD129'0D3D'5C5B'3A1Full + 1;
  for (std::size_t at = 0; at < payload.size(); at += 8) {
    word = word * 6364136223846793005ull + 1442695040888963407ull;
    const std::size_t left = payload.size() - at;
    std::memcpy(payload.data() + at, &word, left < 8 ? left : 8);
  }
  const std::uint64_t header[3] = {kPatternMagic, number, pattern_checksum(payload)};
  std::memcpy(frame.data(), header, sizeof header);
}

enum class PatternFault : std::uint8_t { none, too_short, no_magic, bad_checksum };

// Whole and unaltered? `number` gets the frame's own number.
[[nodiscard]] inline PatternFault check_pattern(std::span<const std::byte> frame,
                                                std::uint64_t& number) noexcept {
  if (frame.size() < kPatternHeaderBytes) return PatternFault::too_short;
  std::uint64_t header[3];
  std::memcpy(header, frame.data(), sizeof header);
  number = header[1];
  if (header[0] != kPatternMagic) return PatternFault::no_magic;
  if (header[2] != pattern_checksum(frame.subspan(kPatternHeaderBytes))) {
    return PatternFault::bad_checksum;
  }
  return PatternFault::none;
}

}  // namespace framering
