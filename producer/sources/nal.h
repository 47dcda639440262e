// SPDX-License-Identifier: Apache-2.0
//
// H.264 and H.265 in Annex-B form: NAL units between start codes. What a picture is, whether it can
// be decoded by itself, and the parameter sets it brings. Reads any bytes; trusts none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ring_layout.h"

namespace framering {

enum class NalCodec : std::uint8_t { h264, h265 };

// nal_unit_type, ITU-T H.264 table 7-1.
inline constexpr unsigned kH264Slice = 1, kH264Idr = 5, kH264Sei = 6, kH264Sps = 7, kH264Pps = 8,
                          kH264Aud = 9;
// nal_unit_type, ITU-T H.265 table 7-1.
inline constexpr unsigned kH265FirstIrap = 16, kH265LastIrap = 21, kH265LastVcl = 31, kH265Vps = 32,
                          kH265Sps = 33, kH265Pps = 34, kH265Aud = 35, kH265PrefixSei = 39;

// One NAL unit inside a buffer; offsets are from the buffer's first byte.
struct NalUnit {
  std::size_t start = 0;   // of its start code, the leading zero byte included
  std::size_t header = 0;  // of its first byte after the start code
  unsigned type = 0;
};

// The first start code (00 00 01) at or after `from`; bytes.size() when there is none. `unit.type`
// is only meaningful when a byte follows.
[[nodiscard]] std::size_t find_start_code(std::span<const std::byte> bytes,
                                          std::size_t from) noexcept;
// The first NAL unit whose start code begins at or after `from`. False: there is none with a
// header.
[[nodiscard]] bool find_nal(NalCodec codec, std::span<const std::byte> bytes, std::size_t from,
                            NalUnit& unit) noexcept;

[[nodiscard]] bool is_vcl(NalCodec codec, unsigned type) noexcept;  // carries a slice

// SPS, PPS (and VPS) as one picture brought them, each with a start code.
struct ParameterSets {
  std::array<std::byte, kMaxParameterSetBytes> bytes;
  std::size_t size = 0;
  bool has_sps = false;
  bool overflow = false;  // they did not fit and were left out

  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {bytes.data(), size}; }
};

struct PictureFacts {
  bool valid = false;           // there is a slice in it
  bool key = false;             // IDR (H.265: IRAP): decodable without any picture before it
  bool droppable = false;       // no other picture refers to it
  bool has_parameters = false;  // it brings an SPS
  std::uint32_t width = 0, height = 0;  // pixels, from its SPS; 0: it brings none
};

// Looks at one access unit, up to its first slice. `sets` gets the parameter sets on the way.
[[nodiscard]] PictureFacts inspect_access_unit(NalCodec codec, std::span<const std::byte> bytes,
                                               ParameterSets& sets) noexcept;

// Finds where access units end in a stream (H.264 7.4.1.2.3, H.265 7.4.2.4.4). Bytes may come in
// pieces of any size.
class AccessUnitScanner {
 public:
  explicit AccessUnitScanner(NalCodec codec) noexcept : codec_(codec) {}

  // `bytes` begins at an access unit and is what has come of it so far, and perhaps of the next.
  // The size of the unit, when its end is in sight; 0: more bytes are needed. Between calls, bytes
  // may be added; after an end, the next call begins behind it.
  [[nodiscard]] std::size_t end_of_unit(std::span<const std::byte> bytes) noexcept;
  void restart() noexcept;
  // The unit is longer than anybody wants: forgets bytes that were looked at. How many of the first
  // bytes the caller may throw away.
  [[nodiscard]] std::size_t drop_scanned() noexcept;

 private:
  NalCodec codec_;
  std::size_t scanned_ = 0;  // no start code begins before it that was not looked at
  bool slice_seen_ = false;
};

}  // namespace framering
