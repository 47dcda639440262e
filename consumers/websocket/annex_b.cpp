// SPDX-License-Identifier: Apache-2.0
#include "annex_b.h"

#include <algorithm>
#include <array>
#include <cstdio>

#include "ring_layout.h"

namespace framering::websocket {

namespace {

// ISO 14496-10, table 7-1; ISO 23008-2, table 7-1.
enum class Kind : std::uint8_t { other, vps, sps, pps };

Kind kind_of(std::uint32_t codec, std::byte first) noexcept {
  const auto header = std::to_integer<unsigned>(first);
  if (codec == kCodecH264) {
    const unsigned type = header & 0x1F;
    return type == 7 ? Kind::sps : type == 8 ? Kind::pps : Kind::other;
  }
  const unsigned type = header >> 1 & 0x3F;
  return type == 32 ? Kind::vps : type == 33 ? Kind::sps : type == 34 ? Kind::pps : Kind::other;
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
std::vector<unsigned> sps_payload(std::uint32_t codec, std::span<const std::byte> bytes) {
  NalSpan at;
  for (std::size_t from = 0; next_nal(bytes, from, at); from = at.end) {
    if (kind_of(codec, bytes[at.nal]) != Kind::sps) continue;
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

std::string h264_string(const std::vector<unsigned>& sps) {
  if (sps.size() < 4) return {};
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "avc1.%02x%02x%02x", sps[1], sps[2], sps[3]);
  return text.data();
}

// profile_tier_level (7.3.3) begins at the fourth byte of the SPS, after 2 of header and 1 of ids.
std::string h265_string(const std::vector<unsigned>& sps) {
  if (sps.size() < 15) return {};
  const unsigned space = sps[3] >> 6, tier = sps[3] >> 5 & 1, profile = sps[3] & 31;
  std::uint32_t compatibility = 0;  // in reverse bit order
  for (unsigned bit = 0; bit < 32; ++bit)
    compatibility |= (sps[4 + bit / 8] >> (7 - bit % 8) & 1) << bit;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "hvc1.%s%u.%x.%c%u",
                std::array{"", "A", "B", "C"}.at(space), profile, compatibility,
                tier != 0 ? 'H' : 'L', sps[14]);
  std::string result = text.data();
  std::size_t constraints = 6;
  while (constraints > 0 && sps[8 + constraints - 1] == 0) --constraints;
  for (std::size_t i = 0; i < constraints; ++i) {
    std::snprintf(text.data(), text.size(), ".%x", sps[8 + i]);
    result += text.data();
  }
  return result;
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

std::vector<std::byte> parameter_sets_of(std::uint32_t codec,
                                         std::span<const std::byte> access_unit) {
  std::vector<std::byte> sets;
  bool has_sps = false;
  NalSpan at;
  for (std::size_t from = 0; next_nal(access_unit, from, at); from = at.end) {
    const Kind kind = kind_of(codec, access_unit[at.nal]);
    if (kind == Kind::other) continue;
    has_sps = has_sps || kind == Kind::sps;
    sets.insert(sets.end(), {std::byte{0}, std::byte{0}, std::byte{0}, std::byte{1}});
    sets.insert(sets.end(), access_unit.begin() + static_cast<std::ptrdiff_t>(at.nal),
                access_unit.begin() + static_cast<std::ptrdiff_t>(at.end));
  }
  if (!has_sps) sets.clear();
  return sets;
}

std::string codec_string(std::uint32_t codec, std::span<const std::byte> parameter_sets) {
  const std::vector<unsigned> sps = sps_payload(codec, parameter_sets);
  return codec == kCodecH264 ? h264_string(sps) : h265_string(sps);
}

}  // namespace framering::websocket
