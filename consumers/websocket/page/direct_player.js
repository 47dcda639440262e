// SPDX-License-Identifier: Apache-2.0
//
// H.264 over WebSocket, decoded by WebCodecs, drawn as soon as it is decoded.

import {FrameSocket} from '/frame_socket.js';
import {codecOf} from '/h264.js';

const kMaxFailures = 3;  // in a row, without a picture in between

export const directSupported = () => 'VideoDecoder' in window;

export class DirectPlayer {
  // What all players call:
  // on.picture({source, width, height, timestamp, times}): show it; `source` is closed afterwards;
  //     `times`, if there: {timing, receivedMs, decodedMs}, for the latency by stage.
  // on.received(bytes), on.dropped(count), on.serverDropped(total)
  // on.unplayable(reason): this way does not work here.
  constructor(stream, on) {
    this.on = on;
    this.failures = 0;
    this.socket = new FrameSocket('/api/stream/h264/direct', stream, {
      ...on,
      down: () => this.closeDecoder(),
      frame: (frame) => this.decode(frame),
    });
  }

  stop() {
    this.stopped = true;
    this.socket.stop();
    this.closeDecoder();
  }

  pause() {
    this.socket.pause();
    this.closeDecoder();
  }

  resume() { this.socket.resume(); }

  decode({key, timestamp, payload, timing, receivedMs}) {
    if (key) this.configure(codecOf(payload));
    if (!this.decoder) return this.socket.acknowledge(timestamp);  // until the next key frame
    if (timing) this.timed = {timestamp, timing, receivedMs};
    this.decoder.decode(new EncodedVideoChunk({type: key ? 'key' : 'delta', timestamp, data: payload}));
  }

  configure(codec) {
    if (codec === null || (codec === this.codec && this.decoder)) return;
    this.closeDecoder();
    this.codec = codec;
    const decoder = this.decoder = new VideoDecoder({
      output: (frame) => this.take(frame, decoder),
      error: (error) => this.fail(error, decoder),
    });
    try {
      decoder.configure({codec, optimizeForLatency: true});
    } catch (error) {
      this.fail(error, decoder);
    }
  }

  // Of a burst (a newcomer gets a group of pictures at once) only what is newest at a time is
  // drawn.
  take(frame, decoder) {
    if (decoder !== this.decoder) return frame.close();
    this.failures = 0;
    this.socket.acknowledge(frame.timestamp);
    if (this.timed?.timestamp === frame.timestamp) this.timed.decodedMs = performance.now();
    if (this.waiting) this.on.dropped(1);
    this.discardWaiting();
    this.waiting = frame;
    if (decoder.decodeQueueSize === 0) this.draw();
    else this.drawing ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    const frame = this.waiting;
    if (!frame) return;
    const {displayWidth: width, displayHeight: height, timestamp} = frame;
    const times = this.timed?.timestamp === timestamp ? this.timed : null;
    this.on.picture({source: frame, width, height, timestamp, times});
    this.discardWaiting();
  }

  discardWaiting() {
    this.waiting?.close();
    this.waiting = null;
  }

  fail(error, decoder) {
    if (decoder !== this.decoder || this.stopped) return;
    this.closeDecoder();
    if (++this.failures >= kMaxFailures) this.on.unplayable(error.message);
    else this.socket.resync();
  }

  closeDecoder() {
    const decoder = this.decoder;
    this.decoder = this.timed = null;
    if (decoder && decoder.state !== 'closed') decoder.close();
    cancelAnimationFrame(this.drawing);
    this.drawing = null;
    this.discardWaiting();
  }
}
