// SPDX-License-Identifier: Apache-2.0
//
// Which streams there are, and how the chosen one is doing.

import {Clock} from '/latency.js';
import {noBroker, noServer, refused} from '/states.js';
import {retryDelay, serverAnswers, sleep, Socket, whenVisible} from '/socket.js';
import {probeWhep} from '/webrtc_player.js';

const kRefreshMs = 5000;
const kClock = 6;
const kClockIntervalMs = 1000;

// Streams of one picture are one entry for people: hdmi/h264 and hdmi/mjpeg are codecs of "hdmi".
// Gives [{name, codecs: {h264: stream, mjpeg: stream}}].
export function groupStreams(streams) {
  const groups = new Map();
  for (const stream of streams) {
    const name = stream.name.replace(/\/(h264|h265|mjpeg)$/, '');
    if (!groups.has(name)) groups.set(name, {name, codecs: {}});
    groups.get(name).codecs[stream.codec ?? 'unknown'] ??= stream.name;
  }
  return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name));
}

// Calls onList(groups, trouble) now and then. trouble: {state, text, hint, tone}, or null; groups:
// null if it is not known.
export async function watchStreams(onList) {
  for (let attempt = 0; ; await whenVisible()) {
    try {
      const response = await fetch('/api/streams', {cache: 'no-store'});
      if (!/json/.test(response.headers.get('content-type'))) throw new Error(await response.text());
      const list = await response.json();
      await probeWhep(list.whep ?? null, list.streams.find(({codec}) => codec === 'h264')?.name);
      onList(groupStreams(list.streams), list.error ? noBroker(list.error) : null);
      attempt = list.streams.length ? 0 : attempt + 1;
    } catch (error) {
      onList(null, error instanceof TypeError ? noServer() : refused(error.message));
      ++attempt;
      await serverAnswers();
    }
    await sleep(attempt > 0 ? retryDelay(attempt) : kRefreshMs);
  }
}

// Tells about changes of one stream's state, as /api/state sends them, until stopped, and keeps the
// server's clock.
export class StateSocket {
  constructor(stream, onState) {
    this.clock = new Clock();
    this.socket = new Socket('/api/state', {stream}, {
      open: () => this.askClock(),
      message: (text) => {
        const message = JSON.parse(text);
        if (message.type === 'clock') this.clock.answered(message);
        else onState(message);
      },
      down: () => onState(noServer()),
    });
    this.asking = setInterval(() => this.askClock(), kClockIntervalMs);
  }

  stop() {
    clearInterval(this.asking);
    this.socket.stop();
  }

  askClock() {
    if (document.hidden) return;
    const message = new DataView(new ArrayBuffer(9));
    message.setUint8(0, kClock);
    message.setBigUint64(1, BigInt(Math.round(performance.now() * 1000)), true);
    this.socket.send(message);
  }
}
