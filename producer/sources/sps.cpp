// SPDX-License-Identifier: Apache-2.0
#include "sps.h"

namespace framering {
namespace {

constexpr std::uint64_t kLargestEdge = 16384;  // pixels; more is nonsense

// Reads bits and leaves out emulation prevention bytes (00 00 03). Behind the end everything is 0
// and `good` is false.
class BitReader {
 public:
  explicit BitReader(std::span<const std::byte> bytes) noexcept : bytes_(bytes) {}

  [[nodiscard]] bool good() const noexcept { return good_; }

  unsigned bit() noexcept {
    if (left_ == 0) load();
    if (!good_) return 0;
    --left_;
    return (current_ >> left_) & 1u;
  }
  std::uint64_t bits(unsigned count) noexcept {
    std::uint64_t value = 0;
    while (count-- > 0) value = value << 1 | bit();
    return value;
  }
  void skip(unsigned count) noexcept {
    while (count-- > 0) (void)bit();
  }
  std::uint64_t ue() noexcept {  // Exp-Golomb, clause 9.1 (H.265: 9.2)
    unsigned zeros = 0;
    while (bit() == 0) {
      if (!good_ || ++zeros > 31) {
        good_ = false;
        return 0;
      }
    }
    return (std::uint64_t{1} << zeros) - 1 + bits(zeros);
  }
  std::int64_t se() noexcept {
    const std::uint64_t code = ue();
    const auto half = static_cast<std::int64_t>((code + 1) / 2);
    return code % 2 == 1 ? half : -half;
  }

 private:
  void load() noexcept {
    if (zeros_ >= 2 && at_ < bytes_.size() && bytes_[at_] == std::byte{3}) {
      ++at_;
      zeros_ = 0;
    }
    if (at_ >= bytes_.size()) {
      good_ = false;
      return;
    }
    current_ = std::to_integer<unsigned>(bytes_[at_++]);
    zeros_ = current_ == 0 ? zeros_ + 1 : 0;
    left_ = 8;
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  unsigned zeros_ = 0;  // zero bytes just before at_
  unsigned current_ = 0;
  unsigned left_ = 0;
  bool good_ = true;
};

SpsSize checked(const BitReader& bits, std::uint64_t width, std::uint64_t height,
                std::uint64_t crop_x, std::uint64_t crop_y) noexcept {
  if (!bits.good() || width > kLargestEdge || height > kLargestEdge || crop_x >= width ||
      crop_y >= height) {
    return {};
  }
  return {static_cast<std::uint32_t>(width - crop_x), static_cast<std::uint32_t>(height - crop_y)};
}

void skip_h264_scaling_list(BitReader& bits, unsigned size) noexcept {
  std::int64_t last = 8;
  std::int64_t next = 8;
  for (unsigned i = 0; i < size && bits.good(); ++i) {
    if (next != 0) next = (last + bits.se() + 256) % 256;
    if (next != 0) last = next;
  }
}

bool has_chroma_format(std::uint64_t profile) noexcept {
  for (const unsigned high :
       {100u, 110u, 122u, 244u, 44u, 83u, 86u, 118u, 128u, 138u, 139u, 134u, 135u}) {
    if (profile == high) return true;
  }
  return false;
}

// profile_tier_level(1, max_sub_layers - 1), H.265 7.3.3.
void skip_profile_tier_level(BitReader& bits, unsigned sub_layers_minus1) noexcept {
  bits.skip(88 + 8);
  unsigned profile_present = 0;
  unsigned level_present = 0;
  for (unsigned i = 0; i < sub_layers_minus1; ++i) {
    profile_present |= bits.bit() << i;
    level_present |= bits.bit() << i;
  }
  if (sub_layers_minus1 > 0) bits.skip(2 * (8 - sub_layers_minus1));
  for (unsigned i = 0; i < sub_layers_minus1; ++i) {
    if ((profile_present >> i & 1u) != 0) bits.skip(88);
    if ((level_present >> i & 1u) != 0) bits.skip(8);
  }
}

}  // namespace

SpsSize parse_h264_sps(std::span<const std::byte> nal) noexcept {
  BitReader bits(nal);
  bits.skip(8);  // NAL unit header
  const std::uint64_t profile = bits.bits(8);
  bits.skip(16);    // constraint flags, level
  (void)bits.ue();  // seq_parameter_set_id
  std::uint64_t chroma_format = 1;
  bool separate_planes = false;
  if (has_chroma_format(profile)) {
    chroma_format = bits.ue();
    if (chroma_format == 3) separate_planes = bits.bit() != 0;
    (void)bits.ue();  // bit depths
    (void)bits.ue();
    bits.skip(1);
    if (bits.bit() != 0) {  // seq_scaling_matrix_present_flag
      for (unsigned i = 0; i < (chroma_format == 3 ? 12u : 8u); ++i) {
        if (bits.bit() != 0) skip_h264_scaling_list(bits, i < 6 ? 16 : 64);
      }
    }
  }
  (void)bits.ue();  // log2_max_frame_num_minus4
  const std::uint64_t order_type = bits.ue();
  if (order_type == 0) {
    (void)bits.ue();
  } else if (order_type == 1) {
    bits.skip(1);
    (void)bits.se();
    (void)bits.se();
    const std::uint64_t cycle = bits.ue();
    for (std::uint64_t i = 0; i < cycle && bits.good(); ++i) (void)bits.se();
  }
  (void)bits.ue();  // max_num_ref_frames
  bits.skip(1);
  const std::uint64_t width = (bits.ue() + 1) * 16;
  const std::uint64_t map_units = bits.ue() + 1;
  const unsigned frames_only = bits.bit();
  if (frames_only == 0) bits.skip(1);
  const std::uint64_t height = map_units * 16 * (2 - frames_only);
  bits.skip(1);
  std::uint64_t crop_x = 0;
  std::uint64_t crop_y = 0;
  if (bits.bit() != 0) {
    const bool planar = separate_planes || chroma_format == 0;
    const std::uint64_t unit_x = planar || chroma_format == 3 ? 1 : 2;
    const std::uint64_t unit_y = (planar || chroma_format != 1 ? 1u : 2u) * (2 - frames_only);
    crop_x = bits.ue();
    crop_x = (crop_x + bits.ue()) * unit_x;
    crop_y = bits.ue();
    crop_y = (crop_y + bits.ue()) * unit_y;
  }
  return checked(bits, width, height, crop_x, crop_y);
}

SpsSize parse_h265_sps(std::span<const std::byte> nal) noexcept {
  BitReader bits(nal);
  bits.skip(16);  // NAL unit header
  bits.skip(4);   // sps_video_parameter_set_id
  const auto sub_layers_minus1 = static_cast<unsigned>(bits.bits(3));
  bits.skip(1);
  skip_profile_tier_level(bits, sub_layers_minus1);
  (void)bits.ue();  // sps_seq_parameter_set_id
  const std::uint64_t chroma_format = bits.ue();
  const bool separate_planes = chroma_format == 3 && bits.bit() != 0;
  const std::uint64_t width = bits.ue();
  const std::uint64_t height = bits.ue();
  std::uint64_t crop_x = 0;
  std::uint64_t crop_y = 0;
  if (bits.bit() != 0) {  // conformance_window_flag
    const std::uint64_t unit_x =
        !separate_planes && (chroma_format == 1 || chroma_format == 2) ? 2 : 1;
    const std::uint64_t unit_y = !separate_planes && chroma_format == 1 ? 2 : 1;
    crop_x = bits.ue();
    crop_x = (crop_x + bits.ue()) * unit_x;
    crop_y = bits.ue();
    crop_y = (crop_y + bits.ue()) * unit_y;
  }
  return checked(bits, width, height, crop_x, crop_y);
}

}  // namespace framering
