// SPDX-License-Identifier: Apache-2.0
//
// MJPEG: the parts of /api/stream/mjpeg, each a JPEG, drawn one by one. (An <img> would show them
// as well, but tells nothing about them: neither when a picture came, nor its size, nor why none
// comes.)

import {PartParser} from '/mjpeg_parts.js';
import {retryDelay, serverAnswers, sleep, whenVisible} from '/socket.js';

export class MjpegPlayer {
  // `on` as for DirectPlayer.
  constructor(stream, on) {
    this.stream = stream;
    this.on = on;
    this.resume();
  }

  stop() { this.pause(); }

  // A request that nobody reads is ended: that costs the server nothing, and there is no backlog on
  // return.
  pause() {
    this.abort.abort();
    this.newest = null;
  }

  resume() {
    this.abort = new AbortController();
    this.play(this.abort.signal);
  }

  async play(signal) {
    for (this.attempt = 0; ; await serverAnswers()) {
      await whenVisible();
      if (signal.aborted) return;
      try {
        await this.read(signal);
      } catch {
        // The state socket tells the person why; here it is only tried again.
      }
      if (signal.aborted) return;
      await sleep(retryDelay(this.attempt++));
    }
  }

  async read(signal) {
    const url = '/api/stream/mjpeg?' + new URLSearchParams({timing: 1, stream: this.stream});
    const response = await fetch(url, {signal, cache: 'no-store'});
    if (!response.ok) throw new Error(await response.text());
    const parser = new PartParser((bytes, timing) => this.receive(bytes, timing, signal));
    const reader = response.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
      this.on.received(piece.value.length);
      parser.push(piece.value);
    }
  }

  // At most one picture waits while another is decoded.
  receive(bytes, timing, signal) {
    this.attempt = 0;
    if (timing) this.on.serverDropped(timing.dropped);
    if (this.newest) this.on.dropped(1);
    this.newest = {bytes, timing, receivedMs: performance.now()};
    if (!this.drawing) this.draw(signal);
  }

  async draw(signal) {
    this.drawing = true;
    while (this.newest && !signal.aborted) {
      const {bytes, timing, receivedMs} = this.newest;
      this.newest = null;
      try {
        const source = await createImageBitmap(new Blob([bytes], {type: 'image/jpeg'}));
        const times = timing ? {timing, receivedMs, decodedMs: performance.now()} : null;
        const timestamp = timing?.timestamp_us ?? Math.round(receivedMs * 1000);
        const {width, height} = source;
        if (!signal.aborted) this.on.picture({source, width, height, timestamp, times});
        source.close();
      } catch {
        this.on.dropped(1);  // no JPEG
      }
    }
    this.drawing = false;
  }
}
