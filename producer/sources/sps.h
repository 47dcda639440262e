// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace framering {

struct SpsSize {
  std::uint32_t width = 0;  // pixels after cropping; both 0: not readable
  std::uint32_t height = 0;
};

// The picture size that a sequence parameter set announces (ITU-T H.264 7.3.2.1.1,
// H.265 7.3.2.2.1). `nal` begins with the NAL unit's header; emulation prevention bytes are still
// in it.
[[nodiscard]] SpsSize parse_h264_sps(std::span<const std::byte> nal) noexcept;
[[nodiscard]] SpsSize parse_h265_sps(std::span<const std::byte> nal) noexcept;

}  // namespace framering
