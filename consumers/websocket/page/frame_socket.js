// SPDX-License-Identifier: Apache-2.0
//
// Frames by WebSocket: /api/stream/h264/direct and /api/stream/mp4. The messages are in the README
// of the server.

import {Socket} from '/socket.js';

const kWindow = 8;  // frames on their way or being decoded
const kAcknowledge = 2;
const kResync = 3;
const kPause = 4;
const kResume = 5;
const kKey = 1;
const kInitialisation = 2;

export class FrameSocket {
  // on.frame({key, timestamp, mediaTime, payload, timing, receivedMs}): begins with a key frame,
  // also after a pause. on.down(), on.received(bytes), on.serverDropped(total); with `mp4` also
  // on.initialisation(mime, payload).
  constructor(path, stream, on, {mp4 = false} = {}) {
    this.on = on;
    this.headerBytes = mp4 ? 17 : 9;
    this.mp4 = mp4;
    this.paused = false;
    this.socket = new Socket(path, {flow: kWindow, timing: 1, stream}, {
      open: () => this.begin(),
      message: (message) => {
        if (typeof message === 'string') this.take(JSON.parse(message));
        else this.receive(message);
      },
      down: () => on.down(),
    });
  }

  stop() { this.socket.stop(); }

  reconnect() { this.socket.reconnect(); }

  begin() {
    this.needsKey = true;
    this.timing = null;
    if (this.paused) this.command(kPause);
  }

  pause() {
    this.paused = true;
    this.command(kPause);
  }

  resume() {
    this.paused = false;
    this.needsKey = true;
    this.command(kResume);
  }

  // Everything up to this one is dealt with.
  acknowledge(timestamp) { this.command(kAcknowledge, timestamp); }

  // What was received is lost: on from the next key frame.
  resync() {
    this.needsKey = true;
    this.acknowledge(Number.MAX_SAFE_INTEGER);
    this.command(kResync);
  }

  command(kind, timestamp) {
    const message = new DataView(new ArrayBuffer(timestamp === undefined ? 1 : 9));
    message.setUint8(0, kind);
    if (timestamp !== undefined) message.setBigUint64(1, BigInt(timestamp), true);
    this.socket.send(message);
  }

  take(message) {
    if (message.type === 'init') this.mime = message.mime;
    if (message.type === 'timing') {
      this.timing = message;
      this.on.serverDropped(message.dropped);
    }
  }

  receive(message) {
    const receivedMs = performance.now();
    const header = new DataView(message);
    const kind = header.getUint8(0);
    const timestamp = Number(header.getBigUint64(1, true));
    const payload = new Uint8Array(message, this.headerBytes);
    this.on.received(message.byteLength);
    if (kind === kInitialisation && this.mp4) return this.on.initialisation(this.mime, payload);

    const timing = this.timing?.timestamp_us === timestamp ? this.timing : null;
    if (kind === kKey) this.needsKey = false;
    if (this.paused || this.needsKey) return this.acknowledge(timestamp);  // was on its way
    const mediaTime = this.mp4 ? Number(header.getBigUint64(9, true)) / 1e6 : 0;
    this.on.frame({key: kind === kKey, timestamp, mediaTime, payload, timing, receivedMs});
  }
}
