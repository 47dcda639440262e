// SPDX-License-Identifier: Apache-2.0
//
// Which streams there are, and how the chosen one is doing.

const kRefreshMs = 5000;

// Between attempts, in ms: at once nearly, then patiently.
export const retryDelay = (attempt) => Math.min(250 * 2 ** attempt, 2000);

// Streams of one picture are one entry for people: hdmi/h264 and hdmi/mjpeg are the ways of "hdmi".
// Gives [{name, ways: {h264: stream, mjpeg: stream}, other: [codec]}].
export function groupStreams(streams) {
  const groups = new Map();
  for (const stream of streams) {
    const name = stream.name.replace(/\/(h264|h265|mjpeg)$/, '');
    if (!groups.has(name)) groups.set(name, {name, ways: {}, other: []});
    const group = groups.get(name);
    if (stream.codec === 'h264' || stream.codec === 'mjpeg') group.ways[stream.codec] ??= stream.name;
    else group.other.push(stream.codec ?? 'unknown');
  }
  return [...groups.values()].sort((a, b) => a.name.localeCompare(b.name));
}

// Calls onList(groups, error) now and then; error is a sentence, or null.
export async function watchStreams(onList) {
  for (let attempt = 0;; ) {
    let wait = kRefreshMs;
    if (!document.hidden) {
      try {
        const list = await (await fetch('/api/streams', {cache: 'no-store'})).json();
        onList(groupStreams(list.streams), list.error ?? null);
        attempt = list.streams.length ? 0 : attempt + 1;
      } catch {
        onList(null, 'This server does not answer.');
        ++attempt;
      }
      if (attempt > 0) wait = retryDelay(attempt);
    }
    await new Promise((done) => setTimeout(done, wait));
  }
}

// Tells about changes of one stream's state, as /api/state sends them, until stopped.
export class StateSocket {
  constructor(stream, onState) {
    this.stream = stream;
    this.onState = onState;
    this.attempt = 0;
    this.connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.socket.close();
  }

  connect() {
    const url = new URL('/api/state', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = new URLSearchParams({stream: this.stream});
    this.socket = new WebSocket(url);
    this.socket.onmessage = (message) => {
      this.attempt = 0;
      if (!this.stopped) this.onState(JSON.parse(message.data));
    };
    this.socket.onclose = () => {
      if (this.stopped) return;
      if (this.attempt > 0) {
        this.onState({state: 'unreachable', playing: false, text: 'no connection to this server'});
      }
      this.retry = setTimeout(() => this.connect(), retryDelay(this.attempt++));
    };
  }
}
