// SPDX-License-Identifier: Apache-2.0
//
// A frame that can be decoded by itself, as an image file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "ring_layout.h"

namespace framering::cli {

enum class ImageFormat : std::uint8_t { jpeg, png };

struct Picture {
  std::uint32_t codec = 0;  // kCodec... or a DRM fourcc
  FrameMeta meta;
  std::vector<std::byte> parameter_sets;  // Annex-B; empty: in the bytes, or none needed
  std::vector<std::byte> bytes;
};

// A JPEG that is to stay one is handed through as it is. Throws CommandError when the frame cannot
// be decoded, or when this program was built without libavcodec and would need it.
[[nodiscard]] std::vector<std::byte> encode_image(Picture picture, ImageFormat format);

}  // namespace framering::cli
