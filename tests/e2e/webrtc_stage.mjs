// SPDX-License-Identifier: Apache-2.0
//
// framering-webrtc on the stage, and what its bare player shows in Chromium: not how many frames were
// decoded (that number grows while the video stays black), but pixels and the barcode in them.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {Stage} from './stage.mjs';

export const kPicture = ['--width', '640', '--height', '384'];

export class WebrtcStage extends Stage {
  async startWebrtc(...options) {
    const child = await this.start('consumers/webrtc/framering-webrtc', ['--listen', '127.0.0.1:0', ...options]);
    child.address = /https?:\S+\//.exec(child.log)[0];
    return child;
  }
}

const decoder = (await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url), 'utf8'))
    .replace(/^export /gm, '');

// In the page: window.pictures has {number, drawn, seen} for each picture out of the decoder from now
// on; window.presented those that the <video> came to show.
const kWatch = `(() => {
  ${decoder}
  window.decodeBarcode = decodeBarcode;
  window.pictures = [];
  window.presented = [];
  const strip = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const read = (list, source, width) => {
    const tall = 4 * barcodeCell(width);
    if (strip.canvas.width !== width) Object.assign(strip.canvas, {width, height: tall});
    strip.drawImage(source, 0, 0);
    const code = decodeBarcode(strip.getImageData(0, 0, width, tall));
    list.push({number: code?.number, drawn: code?.timeMs, seen: performance.timeOrigin + performance.now()});
  };
  const video = document.querySelector('video');
  const present = () => {
    read(window.presented, video, video.videoWidth);
    video.requestVideoFrameCallback(present);
  };
  video.requestVideoFrameCallback(present);
  const follow = async (track) => {
    const {readable} = new MediaStreamTrackProcessor({track: track.clone(), maxBufferSize: 60});
    for await (const frame of readable) {
      read(window.pictures, frame, frame.displayWidth);
      frame.close();
    }
  };
  let followed;
  setInterval(() => {
    const track = video.srcObject?.getVideoTracks()[0];
    if (track && track !== followed) follow(followed = track);
  }, 10);
})()`;

export const watch = (page) => page.evaluate(kWatch);
export const pictures = (page) => page.evaluate(() => window.pictures);
export const forget = (page) => page.evaluate(() => { window.pictures.length = window.presented.length = 0; });
export const video = (page) => page.evaluate(() => {
  const {videoWidth, videoHeight} = document.querySelector('video');
  return {videoWidth, videoHeight, state: window.player.peer?.connectionState};
});

// How bright the <video> is, as 0..255: darkest and brightest of 64 x 36 pixels.
export const brightness = (page) => page.evaluate(() => {
  const context = new OffscreenCanvas(64, 36).getContext('2d');
  context.drawImage(document.querySelector('video'), 0, 0, 64, 36);
  const green = [...context.getImageData(0, 0, 64, 36).data].filter((_, index) => index % 4 === 1);
  return [Math.min(...green), Math.max(...green)];
});

// Of {number} pictures: nothing unreadable, numbers without a gap.
export function checkComplete(list, what) {
  const unreadable = list.filter(({number}) => number === undefined).length;
  assert.equal(unreadable, 0, `${what}: ${unreadable} of ${list.length} pictures have no barcode`);
  const numbers = list.map(({number}) => number);
  assert.deepEqual(numbers, numbers.map((_, index) => numbers[0] + index), `${what}: numbers without a gap`);
}

export const median = (list) => [...list].sort((a, b) => a - b)[list.length >> 1];
