// SPDX-License-Identifier: Apache-2.0
//
// A picture in NV21: a luma plane, then a plane of V,U pairs of half the width and height, both
// with the same stride. Narrow-range BT.601 throughout.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "abi.h"

namespace kvm_standin {

struct Yuv {
  uint8_t y, u, v;
};

inline constexpr Yuv kBlack{16, 128, 128};
inline constexpr Yuv kWhite{235, 128, 128};

constexpr int aligned_width(int width) {
  return (width + kWidthAlignment - 1) / kWidthAlignment * kWidthAlignment;
}

// Does not own its bytes.
struct Nv21Picture {
  uint8_t* data = nullptr;
  int width = 0;   // pixels, even
  int height = 0;  // pixels, even
  int stride = 0;  // bytes

  uint8_t* luma(int row) const { return data + static_cast<ptrdiff_t>(row) * stride; }
  // Row of the chroma plane, that is half a luma row.
  uint8_t* chroma(int row) const { return luma(height + row); }
  size_t bytes() const { return static_cast<size_t>(stride) * static_cast<size_t>(height) * 3 / 2; }
};

// Clips to the picture. Chroma follows the enclosing 2x2 blocks.
inline void fill_rect(const Nv21Picture& picture, int x, int y, int w, int h, Yuv colour) {
  const int left = std::clamp(x, 0, picture.width);
  const int right = std::clamp(x + w, 0, picture.width);
  const int top = std::clamp(y, 0, picture.height);
  const int bottom = std::clamp(y + h, 0, picture.height);
  if (left >= right) return;
  for (int row = top; row < bottom; ++row) {
    std::memset(picture.luma(row) + left, colour.y, static_cast<size_t>(right - left));
  }
  for (int row = top / 2; row < (bottom + 1) / 2; ++row) {
    uint8_t* line = picture.chroma(row);
    for (int column = left / 2; column < (right + 1) / 2; ++column) {
      line[2 * column] = colour.v;
      line[2 * column + 1] = colour.u;
    }
  }
}

}  // namespace kvm_standin
