// SPDX-License-Identifier: Apache-2.0

const kSpanMs = 2000;
// A newcomer gets a group of pictures in one burst and shows the last of it: nothing is lost by
// that.
const kCatchUpMs = 1000;

// Pictures and bytes of the last two seconds, drops since the player caught up.
export class Meter {
  constructor() {
    this.samples = [];  // {at, pictures, bytes}, oldest first
    this.drops = 0;
    this.since = performance.now();
  }

  picture() { this.add(1, 0); }
  received(bytes) {
    this.began ??= performance.now();
    this.add(0, bytes);
  }
  dropped(count) {
    if (performance.now() - (this.began ?? Infinity) > kCatchUpMs) this.drops += count;
  }
  // What comes now is such a burst again.
  catchUp() { this.began = null; }

  read() {
    this.forget();
    const now = performance.now();
    const seconds = Math.max(Math.min(now - this.since, kSpanMs), 250) / 1000;
    const sum = (key) => this.samples.reduce((total, sample) => total + sample[key], 0);
    return {fps: sum('pictures') / seconds, bitsPerSecond: sum('bytes') * 8 / seconds, drops: this.drops};
  }

  add(pictures, bytes) {
    this.samples.push({at: performance.now(), pictures, bytes});
    if (this.samples.length > 4096) this.forget();
  }

  forget() {
    const oldest = performance.now() - kSpanMs;
    const keep = this.samples.findIndex((sample) => sample.at >= oldest);
    this.samples.splice(0, keep < 0 ? this.samples.length : keep);
  }
}

export function bitrateText(bitsPerSecond) {
  if (bitsPerSecond < 1e3) return '0 kbit/s';
  if (bitsPerSecond < 1e6) return `${Math.round(bitsPerSecond / 1e3)} kbit/s`;
  return `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
}
