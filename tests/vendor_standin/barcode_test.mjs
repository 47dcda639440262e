// SPDX-License-Identifier: Apache-2.0
//
// node barcode_test.mjs BARCODE_DUMP: what the C++ encoder draws, barcode.mjs must read.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';

import { decodeBarcode } from './barcode.mjs';

const dump = process.argv[2];

function draw(width, height, number, timeUs) {
  const luma = execFileSync(dump, [width, height, number, timeUs].map(String), {
    maxBuffer: 1 << 26,
  });
  const data = new Uint8ClampedArray(4 * width * height);
  luma.forEach((value, i) => data.fill(value, 4 * i, 4 * i + 3));
  return { data, width, height };
}

// Nearest neighbour, as a page that shows the video smaller or larger.
function scaled(image, width, height) {
  const data = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; ++y) {
    for (let x = 0; x < width; ++x) {
      const from =
        Math.floor((y * image.height) / height) * image.width +
        Math.floor((x * image.width) / width);
      for (let i = 0; i < 4; ++i) data[4 * (y * width + x) + i] = image.data[4 * from + i];
    }
  }
  return { data, width, height };
}

const timeUs = 1_790_000_123_456_789;
for (const [width, height] of [[320, 240], [640, 360], [800, 600], [1280, 720], [1920, 1080]]) {
  for (const number of [0, 1, 123456, 0xffffffff]) {
    const image = draw(width, height, number, timeUs);
    assert.deepEqual(decodeBarcode(image), { number, timeUs, timeMs: timeUs / 1000 });
  }
}

const large = draw(1920, 1080, 77, timeUs);
assert.equal(decodeBarcode(scaled(large, 1280, 720), 1920)?.number, 77);
assert.equal(decodeBarcode(scaled(large, 640, 360), 1920)?.number, 77);
assert.equal(decodeBarcode(scaled(large, 2560, 1440), 1920)?.number, 77);

const damaged = draw(640, 360, 5, timeUs);
for (let y = 8; y < 16; ++y) damaged.data.fill(255, 4 * y * 640, 4 * (y * 640 + 8));
assert.equal(decodeBarcode(damaged), null, 'a flipped cell fails the checksum');
damaged.data.fill(128);
assert.equal(decodeBarcode(damaged), null, 'a grey picture has no barcode');
console.log('barcode.mjs: ok');
