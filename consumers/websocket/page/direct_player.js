// SPDX-License-Identifier: Apache-2.0
//
// H.264 over WebSocket, decoded by WebCodecs. The messages are those of direct_message.h.

import {codecOf} from '/h264.js';
import {retryDelay} from '/streams.js';

const kWindow = 8;  // access units on their way or being decoded
const kHeaderBytes = 9;
const kAcknowledge = 2;
const kResync = 3;

export const directSupported = () => 'VideoDecoder' in window;

export class DirectPlayer {
  // on.picture(source, width, height, timestamp): the player closes `source` itself afterwards.
  // on.received(bytes), on.dropped(count), on.unplayable(reason): this way does not work here.
  constructor(stream, on) {
    this.stream = stream;
    this.on = on;
    this.attempt = 0;
    this.failures = 0;
    this.connect();
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.retry);
    this.socket.close();
    this.closeDecoder();
    this.discardWaiting();
    cancelAnimationFrame(this.drawing);
  }

  connect() {
    const url = new URL('/api/stream/h264/direct', location.href);
    url.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';
    url.search = new URLSearchParams({flow: kWindow, stream: this.stream});
    this.codec = null;  // the next key frame configures the decoder
    this.socket = new WebSocket(url);
    this.socket.binaryType = 'arraybuffer';
    this.socket.onmessage = (message) => this.receive(message.data);
    this.socket.onclose = () => {
      this.closeDecoder();
      if (this.stopped) return;
      this.retry = setTimeout(() => this.connect(), retryDelay(this.attempt++));
    };
  }

  receive(message) {
    const header = new DataView(message);
    const key = header.getUint8(0) === 1;
    const timestamp = Number(header.getBigUint64(1, true));
    const data = new Uint8Array(message, kHeaderBytes);
    this.attempt = 0;
    this.on.received(message.byteLength);
    if (key) this.configure(codecOf(data));
    if (!this.decoder) return this.acknowledge(timestamp);  // until the next key frame
    this.decoder.decode(new EncodedVideoChunk({type: key ? 'key' : 'delta', timestamp, data}));
  }

  configure(codec) {
    if (codec === null || (codec === this.codec && this.decoder)) return;
    this.closeDecoder();
    this.codec = codec;
    this.decoder = new VideoDecoder({
      output: (frame) => this.show(frame),
      error: (error) => this.fail(error),
    });
    try {
      this.decoder.configure({codec, optimizeForLatency: true});
    } catch (error) {
      this.fail(error);
    }
  }

  // A picture is acknowledged when it is decoded and not when it is drawn: a hidden tab draws nothing.
  show(frame) {
    this.failures = 0;
    this.acknowledge(frame.timestamp);
    if (this.waiting) this.on.dropped(1);
    this.discardWaiting();
    this.waiting = frame;
    this.drawing ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.drawing = null;
    const frame = this.waiting;
    if (!frame) return;
    this.on.picture(frame, frame.displayWidth, frame.displayHeight, frame.timestamp);
    this.discardWaiting();
  }

  discardWaiting() {
    this.waiting?.close();
    this.waiting = null;
  }

  acknowledge(timestamp) {
    const message = new DataView(new ArrayBuffer(kHeaderBytes));
    message.setUint8(0, kAcknowledge);
    message.setBigUint64(1, BigInt(timestamp), true);
    this.send(message);
  }

  fail(error) {
    this.closeDecoder();
    this.codec = null;
    if (this.stopped) return;
    if (++this.failures >= 3) return this.on.unplayable(error.message);
    // What was in the decoder is lost: nothing of it is on its way any more.
    this.acknowledge(Number.MAX_SAFE_INTEGER);
    this.send(new Uint8Array([kResync]));
  }

  send(message) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(message);
  }

  closeDecoder() {
    if (this.decoder && this.decoder.state !== 'closed') this.decoder.close();
    this.decoder = null;
  }
}
