// SPDX-License-Identifier: Apache-2.0
//
// The strip of black and white cells that every picture of the stand-in carries in its top left
// corner, so that a test can tell from the far end of the pipeline which picture it sees and how
// old it is. README.md specifies it; barcode.mjs decodes the same from RGBA.
//
//     32 cells wide, 4 high; bit 31 of each row at the left; white = 1
//     row 0 | sync 0xA5C3           | CRC-16 of rows 1..3  |
//     row 1 | picture number, 32 bits                      |
//     row 2 | time, upper 32 bits                          |   CLOCK_REALTIME, µs since 1970
//     row 3 | time, lower 32 bits                          |
#pragma once

#include <cstdint>
#include <optional>

#include "nv21.h"

namespace kvm_standin {

struct Barcode {
  uint32_t number = 0;
  uint64_t time_us = 0;  // CLOCK_REALTIME

  bool operator==(const Barcode&) const = default;
};

inline constexpr int kBarcodeColumns = 32;
inline constexpr int kBarcodeRows = 4;
inline constexpr int kBarcodeMinCell = 8;  // pixels: one JPEG block, half an H.264 macroblock
inline constexpr uint16_t kBarcodeSync = 0xA5C3;

// Edge of a cell in pixels: even, 1/80 of the width, at least 8.
constexpr int barcode_cell(int picture_width) {
  const int cell = picture_width / 160 * 2;
  return cell < kBarcodeMinCell ? kBarcodeMinCell : cell;
}

// Pictures too small for the strip stay as they are.
bool barcode_fits(int picture_width, int picture_height);
void draw_barcode(const Nv21Picture& picture, const Barcode& barcode);

// From a luma plane of any range. nullopt: no sync pattern, too little contrast or a wrong CRC.
std::optional<Barcode> decode_barcode(const uint8_t* luma, int width, int height, int stride);

}  // namespace kvm_standin
