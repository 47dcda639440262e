// SPDX-License-Identifier: Apache-2.0
//
// Decodes the stand-in's barcode (README.md) from RGBA pixels: the ImageData of a canvas, or
// anything with { data, width, height }. No dependencies; runs in the browser and in Node.

const COLUMNS = 32;
const ROWS = 4;
const MIN_CELL = 8;
const SYNC = 0xa5c3;
const MIN_CONTRAST = 48;

export function barcodeCell(pictureWidth) {
  return Math.max(MIN_CELL, Math.floor(pictureWidth / 160) * 2);
}

// CRC-16/CCITT-FALSE over rows 1..3, most significant byte first.
function checksum(rows) {
  let crc = 0xffff;
  for (const row of rows.slice(1)) {
    for (let shift = 24; shift >= 0; shift -= 8) {
      crc ^= ((row >>> shift) & 0xff) << 8;
      for (let bit = 0; bit < 8; ++bit) {
        crc = crc & 0x8000 ? ((crc << 1) ^ 0x1021) & 0xffff : crc << 1;
      }
    }
  }
  return crc;
}

// Mean luma of the middle half of a cell.
function cellMean(image, cell, row, column) {
  const from = (index) => Math.ceil((index + 0.25) * cell);
  const to = (index) => Math.max(from(index) + 1, Math.floor((index + 0.75) * cell));
  let sum = 0;
  let count = 0;
  for (let y = from(row); y < to(row); ++y) {
    for (let x = from(column); x < to(column); ++x) {
      const at = 4 * (y * image.width + x);
      sum += 0.299 * image.data[at] + 0.587 * image.data[at + 1] + 0.114 * image.data[at + 2];
      ++count;
    }
  }
  return sum / count;
}

// Returns { number, timeUs (a Number: exact up to 2^53), timeMs } or null when there is no valid
// barcode. `sourceWidth` is the width in which the picture was encoded, if the image was scaled.
export function decodeBarcode(image, sourceWidth = image.width) {
  const cell = (barcodeCell(sourceWidth) * image.width) / sourceWidth;
  if (cell < 3 || image.width < COLUMNS * cell || image.height < ROWS * cell) return null;

  let white = 0;
  let black = 0;
  for (let column = 0; column < 16; ++column) {
    const mean = cellMean(image, cell, 0, column) / 8;
    if ((SYNC >> (15 - column)) & 1) white += mean;
    else black += mean;
  }
  if (white - black < MIN_CONTRAST) return null;
  const threshold = (white + black) / 2;

  const rows = [];
  for (let row = 0; row < ROWS; ++row) {
    let bits = 0;
    for (let column = 0; column < COLUMNS; ++column) {
      bits = (bits << 1) | (cellMean(image, cell, row, column) > threshold ? 1 : 0);
    }
    rows.push(bits >>> 0);
  }
  if (rows[0] !== ((SYNC << 16) | checksum(rows)) >>> 0) return null;
  const timeUs = rows[2] * 2 ** 32 + rows[3];
  return { number: rows[1], timeUs, timeMs: timeUs / 1000 };
}
