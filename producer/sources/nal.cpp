// SPDX-License-Identifier: Apache-2.0
#include "nal.h"

#include <cstring>
#include <utility>

#include "sps.h"

namespace framering {
namespace {

constexpr std::array<std::byte, 4> kStartCode = {std::byte{0}, std::byte{0}, std::byte{0},
                                                 std::byte{1}};

unsigned at(std::span<const std::byte> bytes, std::size_t index) noexcept {
  return std::to_integer<unsigned>(bytes[index]);
}

std::size_t header_bytes(NalCodec codec) noexcept {
  return codec == NalCodec::h264 ? 1 : 2;
}

bool is_parameter_set(NalCodec codec, unsigned type) noexcept {
  if (codec == NalCodec::h264) return type == kH264Sps || type == kH264Pps;
  return type == kH265Vps || type == kH265Sps || type == kH265Pps;
}

bool is_sps(NalCodec codec, unsigned type) noexcept {
  return type == (codec == NalCodec::h264 ? kH264Sps : kH265Sps);
}

// Can stand before the first slice of a picture, never between its slices or after them.
bool opens_access_unit(NalCodec codec, unsigned type) noexcept {
  if (codec == NalCodec::h264)
    return (type >= kH264Sei && type <= kH264Aud) || (type >= 14 && type <= 18);
  return (type >= kH265Vps && type <= kH265Aud) || type == kH265PrefixSei ||
         (type >= 41 && type <= 44) || (type >= 48 && type <= 55);
}

// first_mb_in_slice is 0: as ue(v), a single 1 bit. first_slice_segment_in_pic_flag is one bit. So
// it is the same bit in both, the first after the NAL unit's header.
bool is_first_slice(NalCodec codec, std::span<const std::byte> bytes,
                    const NalUnit& unit) noexcept {
  return (at(bytes, unit.header + header_bytes(codec)) & 0x80u) != 0;
}

void append(ParameterSets& sets, std::span<const std::byte> nal) noexcept {
  // Zero bytes behind a NAL unit belong to no one (trailing_zero_8bits).
  while (!nal.empty() && nal.back() == std::byte{0}) nal = nal.first(nal.size() - 1);
  if (sets.size + kStartCode.size() + nal.size() > sets.bytes.size()) {
    sets.overflow = true;
    return;
  }
  std::memcpy(sets.bytes.data() + sets.size, kStartCode.data(), kStartCode.size());
  std::memcpy(sets.bytes.data() + sets.size + kStartCode.size(), nal.data(), nal.size());
  sets.size += kStartCode.size() + nal.size();
}

}  // namespace

std::size_t find_start_code(std::span<const std::byte> bytes, std::size_t from) noexcept {
  // Looks for the 01 and then back: encoded bytes hold few of them, and memchr is fast.
  for (std::size_t i = from + 2; i < bytes.size(); ++i) {
    const void* found = std::memchr(bytes.data() + i, 1, bytes.size() - i);
    if (found == nullptr) break;
    i = static_cast<std::size_t>(static_cast<const std::byte*>(found) - bytes.data());
    if (at(bytes, i - 1) == 0 && at(bytes, i - 2) == 0) return i - 2;
  }
  return bytes.size();
}

bool find_nal(NalCodec codec, std::span<const std::byte> bytes, std::size_t from,
              NalUnit& unit) noexcept {
  const std::size_t code = find_start_code(bytes, from);
  unit.header = code + 3;
  if (unit.header >= bytes.size()) return false;
  unit.start = code > from && at(bytes, code - 1) == 0 ? code - 1 : code;
  const unsigned first = at(bytes, unit.header);
  unit.type = codec == NalCodec::h264 ? first & 0x1Fu : (first >> 1) & 0x3Fu;
  return true;
}

bool is_vcl(NalCodec codec, unsigned type) noexcept {
  if (codec == NalCodec::h264) return type >= kH264Slice && type <= kH264Idr;
  return type <= kH265LastVcl;
}

PictureFacts inspect_access_unit(NalCodec codec, std::span<const std::byte> bytes,
                                 ParameterSets& sets) noexcept {
  PictureFacts facts;
  NalUnit unit;
  for (std::size_t from = 0; find_nal(codec, bytes, from, unit); from = unit.header) {
    if (is_vcl(codec, unit.type)) {
      facts.valid = true;
      if (codec == NalCodec::h264) {
        facts.key = unit.type == kH264Idr;
        facts.droppable = (at(bytes, unit.header) & 0x60u) == 0;  // nal_ref_idc
      } else {
        facts.key = unit.type >= kH265FirstIrap && unit.type <= kH265LastIrap;
      }
      return facts;
    }
    if (!is_parameter_set(codec, unit.type)) continue;
    const std::size_t end = find_start_code(bytes, unit.header);
    const std::span<const std::byte> nal = bytes.subspan(unit.header, end - unit.header);
    append(sets, nal);
    if (!is_sps(codec, unit.type)) continue;
    sets.has_sps = true;
    const SpsSize size = codec == NalCodec::h264 ? parse_h264_sps(nal) : parse_h265_sps(nal);
    facts.width = size.width;
    facts.height = size.height;
  }
  return facts;
}

std::size_t AccessUnitScanner::end_of_unit(std::span<const std::byte> bytes) noexcept {
  NalUnit unit;
  while (find_nal(codec_, bytes, scanned_, unit)) {
    const bool vcl = is_vcl(codec_, unit.type);
    // A slice is only told apart by the byte behind its header.
    if (vcl && unit.header + header_bytes(codec_) >= bytes.size()) return 0;
    const bool begins_another =
        vcl ? is_first_slice(codec_, bytes, unit) : opens_access_unit(codec_, unit.type);
    if (slice_seen_ && begins_another) {
      restart();
      return unit.start;
    }
    slice_seen_ = slice_seen_ || vcl;
    scanned_ = unit.header;
  }
  // The last three bytes may be the beginning of a start code (and a zero byte before it).
  if (bytes.size() >= 4 && bytes.size() - 4 > scanned_) {
    const std::size_t code = find_start_code(bytes, scanned_);
    scanned_ = code < bytes.size() ? scanned_ : bytes.size() - 4;
  }
  return 0;
}

std::size_t AccessUnitScanner::drop_scanned() noexcept {
  return std::exchange(scanned_, std::size_t{0});
}

void AccessUnitScanner::restart() noexcept {
  scanned_ = 0;
  slice_seen_ = false;
}

}  // namespace framering
