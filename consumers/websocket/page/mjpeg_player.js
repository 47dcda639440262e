// SPDX-License-Identifier: Apache-2.0
//
// MJPEG: the parts of /api/stream/mjpeg, each a JPEG, drawn one by one. (An <img> would show them as
// well, but tells nothing about them: neither when a picture came, nor its size, nor why none comes.)

import {retryDelay} from '/streams.js';

const kHeaderEnd = [13, 10, 13, 10];
const kMaxHeaderBytes = 1024;
const kMaxPictureBytes = 64 << 20;

// Cuts the multipart body in pictures, whatever the pieces it arrives in.
class PartParser {
  constructor(onPicture) {
    this.onPicture = onPicture;
    this.header = [];
    this.body = null;
    this.filled = 0;
  }

  push(piece) {
    let at = 0;
    while (at < piece.length) {
      if (this.body) {
        const take = Math.min(this.body.length - this.filled, piece.length - at);
        this.body.set(piece.subarray(at, at + take), this.filled);
        this.filled += take;
        at += take;
        if (this.filled < this.body.length) return;
        const picture = this.body;
        this.body = null;
        this.onPicture(picture);
      } else {
        this.header.push(piece[at++]);
        if (kHeaderEnd.every((byte, index) => this.header.at(index - 4) === byte)) this.openBody();
        if (this.header.length > kMaxHeaderBytes) throw new Error('a part without header');
      }
    }
  }

  openBody() {
    const header = String.fromCharCode(...this.header);
    const length = Number(/content-length: *(\d+)/i.exec(header)?.[1]);
    if (!(length > 0 && length <= kMaxPictureBytes)) throw new Error('a part without length');
    this.header = [];
    this.body = new Uint8Array(length);
    this.filled = 0;
  }
}

export class MjpegPlayer {
  // `on` as for DirectPlayer.
  constructor(stream, on) {
    this.stream = stream;
    this.on = on;
    this.attempt = 0;
    this.abort = new AbortController();
    this.play();
  }

  stop() {
    this.abort.abort();
    clearTimeout(this.retry);
    cancelAnimationFrame(this.drawing);
    this.newest = null;
  }

  async play() {
    try {
      const url = '/api/stream/mjpeg?' + new URLSearchParams({stream: this.stream});
      const response = await fetch(url, {signal: this.abort.signal, cache: 'no-store'});
      if (!response.ok) throw new Error(await response.text());
      const parser = new PartParser((picture) => this.receive(picture));
      const reader = response.body.getReader();
      for (let piece = await reader.read(); !piece.done; piece = await reader.read()) {
        this.on.received(piece.value.length);
        parser.push(piece.value);
      }
    } catch {
      // The state socket tells the person why; here it is only tried again.
    }
    if (this.abort.signal.aborted) return;
    this.retry = setTimeout(() => this.play(), retryDelay(this.attempt++));
  }

  receive(bytes) {
    this.attempt = 0;
    if (this.newest) this.on.dropped(1);
    this.newest = {bytes, timestamp: Math.round(performance.now() * 1000)};
    this.drawing ??= requestAnimationFrame(() => this.draw());
  }

  async draw() {
    const {bytes, timestamp} = this.newest;
    this.newest = null;
    try {
      const picture = await createImageBitmap(new Blob([bytes], {type: 'image/jpeg'}));
      if (!this.abort.signal.aborted) {
        this.on.picture(picture, picture.width, picture.height, timestamp);
      }
      picture.close();
    } catch {
      this.on.dropped(1);  // no JPEG
    }
    this.drawing = null;
    if (this.newest) this.drawing = requestAnimationFrame(() => this.draw());
  }
}
