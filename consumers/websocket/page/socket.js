// SPDX-License-Identifier: Apache-2.0
//
// WebSockets that come back by themselves, for as long as somebody looks at the page.

const kFirstDelayMs = 100;
const kMaxDelayMs = 2000;      // the server is there, and refuses
const kMaxProbeDelayMs = 250;  // it is away: a picture within a second of its return

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Doubles with each attempt; up to a fifth less, so that many pages do not come back in step.
export const retryDelay = (attempt, longest = kMaxDelayMs) =>
    Math.min(kFirstDelayMs * 2 ** attempt, longest) * (0.8 + Math.random() / 5);

export function whenVisible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((done) => document.addEventListener('visibilitychange', done, {once: true}));
}

let probing = null;

// When the server answers; asked with one request at a time, whoever waits. (Failed WebSockets
// would be slowed down by the browser, to five seconds each.)
export function serverAnswers() {
  probing ??= probe().finally(() => { probing = null; });
  return probing;
}

async function probe() {
  for (let attempt = 0;; ++attempt) {
    await whenVisible();
    try {
      if ((await fetch('/healthz', {cache: 'no-store'})).ok) return;
    } catch {
      // It is away: no connection.
    }
    await sleep(retryDelay(attempt, kMaxProbeDelayMs));
  }
}

export class Socket {
  // on.message(data), on.open(), on.down(): the connection ended and is tried again.
  constructor(path, query, on) {
    this.url = new URL(path, location.href);
    this.url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.url.search = new URLSearchParams(query);
    this.on = on;
    this.attempt = 0;
    this.connect();
  }

  stop() {
    this.stopped = true;
    this.socket?.close();
  }

  reconnect() { this.socket?.close(); }

  send(bytes) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(bytes);
  }

  async connect() {
    await whenVisible();
    if (this.stopped) return;
    const socket = this.socket = new WebSocket(this.url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => this.on.open?.();
    socket.onmessage = ({data}) => {
      if (this.stopped) return;
      this.attempt = 0;
      this.on.message(data);
    };
    socket.onclose = () => this.comeBack();
  }

  async comeBack() {
    if (this.stopped) return;
    this.on.down?.();
    await sleep(retryDelay(this.attempt++));
    await serverAnswers();
    this.connect();
  }
}
