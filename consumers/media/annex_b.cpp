// SPDX-License-Identifier: Apache-2.0
#include "annex_b.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace framering {

namespace {

constexpr unsigned kSps = 7;  // of H.264

enum class UnitKind : std::uint8_t { slice, sps, other_parameters, other };

// ITU-T H.264, table 7-1.
UnitKind h264_kind(unsigned type) noexcept {
  if (type >= 1 && type <= 5) return UnitKind::slice;
  if (type == kSps) return UnitKind::sps;
  return type == 8 ? UnitKind::other_parameters : UnitKind::other;
}

// ITU-T H.265, table 7-1.
UnitKind h265_kind(unsigned type) noexcept {
  if (type <= 31) return UnitKind::slice;
  if (type == 33) return UnitKind::sps;
  return type == 32 || type == 34 ? UnitKind::other_parameters : UnitKind::other;
}

unsigned h264_type(std::byte first) noexcept {
  return std::to_integer<unsigned>(first) & 0x1F;
}

UnitKind kind_of(std::byte first, std::uint32_t codec) noexcept {
  if (codec == kCodecH265) return h265_kind(std::to_integer<unsigned>(first) >> 1 & 0x3F);
  return h264_kind(h264_type(first));
}

// Position of 00 00 01, or the size.
std::size_t find_start_code(std::span<const std::byte> bytes, std::size_t from) noexcept {
  constexpr std::array kCode = {std::byte{0}, std::byte{0}, std::byte{1}};
  if (from >= bytes.size()) return bytes.size();
  const auto found = std::search(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(),
                                 kCode.begin(), kCode.end());
  return static_cast<std::size_t>(found - bytes.begin());
}

// The SPS without its emulation prevention (00 00 03 -> 00 00).
std::vector<unsigned> sps_payload(std::span<const std::byte> bytes) {
  NalSpan at;
  for (std::size_t from = 0; next_nal(bytes, from, at); from = at.end) {
    if (h264_type(bytes[at.nal]) != kSps) continue;
    std::vector<unsigned> payload;
    for (std::size_t i = at.nal; i < at.end; ++i) {
      const auto byte = std::to_integer<unsigned>(bytes[i]);
      const std::size_t size = payload.size();
      if (byte == 3 && size >= 2 && payload[size - 1] == 0 && payload[size - 2] == 0) continue;
      payload.push_back(byte);
    }
    return payload;
  }
  return {};
}

}  // namespace

bool next_nal(std::span<const std::byte> bytes, std::size_t from, NalSpan& found) noexcept {
  for (std::size_t code = find_start_code(bytes, from); bytes.size() - code > 3; code = found.end) {
    found.begin = code > from && bytes[code - 1] == std::byte{0} ? code - 1 : code;
    found.nal = code + 3;
    found.end = find_start_code(bytes, found.nal);
    if (found.end == found.nal) continue;  // two start codes with nothing in between
    // The zeros before a start code belong to it, not to the unit.
    if (found.end < bytes.size()) {
      while (found.end > found.nal + 1 && bytes[found.end - 1] == std::byte{0}) --found.end;
    }
    return true;
  }
  return false;
}

std::vector<std::byte> parameter_sets_of(std::span<const std::byte> access_unit,
                                         std::uint32_t codec) {
  std::vector<std::byte> sets;
  bool has_sps = false;
  NalSpan at;
  for (std::size_t from = 0; next_nal(access_unit, from, at); from = at.end) {
    const UnitKind kind = kind_of(access_unit[at.nal], codec);
    if (kind == UnitKind::slice) break;
    if (kind == UnitKind::other) continue;
    has_sps = has_sps || kind == UnitKind::sps;
    sets.insert(sets.end(), {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}});
    sets.insert(sets.end(), access_unit.begin() + static_cast<std::ptrdiff_t>(at.nal),
                access_unit.begin() + static_cast<std::ptrdiff_t>(at.end));
  }
  if (!has_sps) sets.clear();
  return sets;
}

std::string codec_string(std::span<const std::byte> parameter_sets) {
  const std::vector<unsigned> sps = sps_payload(parameter_sets);
  if (sps.size() < 4) return {};
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "avc1.%02x%02x%02x", sps[1], sps[2], sps[3]);
  return text.data();
}

}  // namespace framering
