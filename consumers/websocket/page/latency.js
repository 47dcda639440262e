// SPDX-License-Identifier: Apache-2.0
//
// Where the time goes between the encoder's getting a picture and its being seen here.

const kKept = 64;        // samples
const kSpreadKept = 16;  // answers of the server's clock

// What the sum is made of, in this order.
export const kStages = ['encode', 'ring', 'server', 'network', 'decode', 'present'];

// How far the server's clock is ahead of this page's: the answer that took least time says it best.
export class Clock {
  constructor() { this.answers = []; }

  answered({echo, server_us: serverUs}) {
    const now = performance.now();
    const sent = echo / 1000;
    this.answers.push({trip: now - sent, offset: serverUs / 1000 - (sent + now) / 2});
    if (this.answers.length > kSpreadKept) this.answers.shift();
    this.best = this.answers.reduce((best, answer) => answer.trip < best.trip ? answer : best);
  }

  // ms of performance.now() from µs of the server's clock; null while nothing is known about it.
  here(serverUs) { return this.best ? serverUs / 1000 - this.best.offset : null; }
}

// {encode, ring, ..., total} in ms from the times of one picture; null while the clock is not
// known.
export function stagesOf({timing, receivedMs, decodedMs, presentedMs}, clock) {
  if (!clock.best) return null;
  const encoded = timing.encoded_us || timing.published_us;  // 0: not known
  const sent = clock.here(timing.sent_us);
  const ms = {
    encode: (encoded - timing.timestamp_us) / 1000,
    ring: (timing.read_us - encoded) / 1000,
    server: (timing.sent_us - timing.read_us) / 1000,
    network: receivedMs - sent,
    decode: decodedMs - receivedMs,
    present: presentedMs - decodedMs,
  };
  // The clocks agree to half a round trip only.
  for (const stage of kStages) ms[stage] = Math.max(ms[stage], 0);
  ms.total = kStages.reduce((sum, stage) => sum + ms[stage], 0);
  return ms;
}

export class LatencyLog {
  constructor() { this.samples = []; }

  add(sample) {
    this.samples.push(sample);
    if (this.samples.length > kKept) this.samples.shift();
  }

  // Of a stage or 'total' in the newest `count` samples, in ms; null without any.
  percentile(stage, part, count = kKept) {
    const values = this.samples.slice(-count).map((sample) => sample[stage]).sort((a, b) => a - b);
    return values.length ? values[Math.floor(part * (values.length - 1))] : null;
  }

  median(stage) { return this.percentile(stage, 0.5, 10); }
}
