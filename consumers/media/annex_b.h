// SPDX-License-Identifier: Apache-2.0
//
// What has to be known of H.264 and H.265 access units (Annex B) to put them into a file: their
// parameter sets, and the name of the codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ring_layout.h"

namespace framering {

struct NalSpan {
  std::size_t begin = 0;  // of the start code
  std::size_t nal = 0;    // first byte of the NAL unit
  std::size_t end = 0;
};

// The NAL unit at `from` or later. False: none.
[[nodiscard]] bool next_nal(std::span<const std::byte> bytes, std::size_t from,
                            NalSpan& found) noexcept;

// SPS and PPS (VPS) in front of an access unit's first slice, with start codes of four bytes;
// empty: it has no SPS.
[[nodiscard]] std::vector<std::byte> parameter_sets_of(std::span<const std::byte> access_unit,
                                                       std::uint32_t codec = kCodecH264);

// Of H.264, RFC 6381 with ISO 14496-15, annex E: "avc1.42c01e". Empty: no such SPS.
[[nodiscard]] std::string codec_string(std::span<const std::byte> parameter_sets);

}  // namespace framering
