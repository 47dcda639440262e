// SPDX-License-Identifier: Apache-2.0
#include "barcode.h"

#include <array>

namespace kvm_standin {
namespace {

using Rows = std::array<uint32_t, kBarcodeRows>;

constexpr int kMinContrast = 48;  // of 255, between the mean white and the mean black sync cell

// CRC-16/CCITT-FALSE over rows 1..3, most significant byte first.
uint16_t checksum(const Rows& rows) {
  uint32_t crc = 0xFFFF;
  for (size_t row = 1; row < rows.size(); ++row) {
    for (int shift = 24; shift >= 0; shift -= 8) {
      crc ^= (rows[row] >> shift & 0xFF) << 8;
      for (int bit = 0; bit < 8; ++bit) {
        crc = (crc & 0x8000) != 0 ? (crc << 1 ^ 0x1021) & 0xFFFF : crc << 1;
      }
    }
  }
  return static_cast<uint16_t>(crc);
}

bool bit_at(const Rows& rows, int row, int column) {
  return (rows[static_cast<size_t>(row)] >> (kBarcodeColumns - 1 - column) & 1) != 0;
}

// The middle half of a cell: what the codec's ringing and the neighbours reach least.
int cell_mean(const uint8_t* luma, int stride, int cell, int row, int column) {
  const int margin = cell / 4;
  int sum = 0;
  int count = 0;
  for (int y = row * cell + margin; y < (row + 1) * cell - margin; ++y) {
    const uint8_t* line = luma + static_cast<ptrdiff_t>(y) * stride;
    for (int x = column * cell + margin; x < (column + 1) * cell - margin; ++x) {
      sum += line[x];
      ++count;
    }
  }
  return sum / count;
}

}  // namespace

bool barcode_fits(int picture_width, int picture_height) {
  const int cell = barcode_cell(picture_width);
  return picture_width >= kBarcodeColumns * cell && picture_height >= kBarcodeRows * cell;
}

void draw_barcode(const Nv21Picture& picture, const Barcode& barcode) {
  if (!barcode_fits(picture.width, picture.height)) return;
  Rows rows{0, barcode.number, static_cast<uint32_t>(barcode.time_us >> 32),
            static_cast<uint32_t>(barcode.time_us)};
  rows[0] = static_cast<uint32_t>(kBarcodeSync) << 16 | checksum(rows);
  const int cell = barcode_cell(picture.width);
  for (int row = 0; row < kBarcodeRows; ++row) {
    for (int column = 0; column < kBarcodeColumns; ++column) {
      fill_rect(picture, column * cell, row * cell, cell, cell,
                bit_at(rows, row, column) ? kWhite : kBlack);
    }
  }
}

std::optional<Barcode> decode_barcode(const uint8_t* luma, int width, int height, int stride) {
  if (!barcode_fits(width, height)) return std::nullopt;
  const int cell = barcode_cell(width);

  // The sync cells give the threshold: the codec and its colour range may have moved both levels.
  int white = 0;
  int black = 0;
  for (int column = 0; column < 16; ++column) {
    const int mean = cell_mean(luma, stride, cell, 0, column);
    ((kBarcodeSync >> (15 - column) & 1) != 0 ? white : black) += mean;
  }
  white /= 8;  // the sync pattern has eight cells of each
  black /= 8;
  if (white - black < kMinContrast) return std::nullopt;
  const int threshold = (white + black) / 2;

  Rows rows{};
  for (int row = 0; row < kBarcodeRows; ++row) {
    for (int column = 0; column < kBarcodeColumns; ++column) {
      const bool bit = cell_mean(luma, stride, cell, row, column) > threshold;
      rows[static_cast<size_t>(row)] = rows[static_cast<size_t>(row)] << 1 | (bit ? 1U : 0U);
    }
  }
  if (rows[0] != (static_cast<uint32_t>(kBarcodeSync) << 16 | checksum(rows))) return std::nullopt;
  return Barcode{rows[1], static_cast<uint64_t>(rows[2]) << 32 | rows[3]};
}

}  // namespace kvm_standin
