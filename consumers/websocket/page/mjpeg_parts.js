// SPDX-License-Identifier: Apache-2.0

const kHeaderEnd = [13, 10, 13, 10];
const kMaxHeaderBytes = 1024;
const kMaxPictureBytes = 64 << 20;

// Cuts a multipart body in JPEGs, whatever the pieces it arrives in.
export class PartParser {
  constructor(onPicture) {
    this.onPicture = onPicture;  // (bytes, timing or null)
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
        this.onPicture(picture, this.timing);
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
    const timing = /x-framering-timing: *(\{.*\})/i.exec(header)?.[1];
    this.timing = timing ? JSON.parse(timing) : null;
    this.header = [];
    this.body = new Uint8Array(length);
    this.filled = 0;
  }
}
