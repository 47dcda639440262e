// SPDX-License-Identifier: Apache-2.0
//
// H.264 over a WebSocket (direct.go), decoded by WebCodecs, drawn picture by picture.

import {Meter} from './meter.js';

const kWindow = 8;  // access units on their way or being decoded
const kHeaderBytes = 9;
const kAcknowledge = 2;
const kResync = 3;
const kRetry = 300;  // ms

const canvas = document.getElementById('direct');
const context = canvas.getContext('2d');
const meter = new Meter(document.getElementById('direct-says'));
let socket;
let decoder;

function connect() {
  socket = new WebSocket(`${location.protocol.replace('http', 'ws')}//${location.host}/api/stream/h264/direct?flow=${kWindow}`);
  socket.binaryType = 'arraybuffer';
  socket.onmessage = ({data}) => receive(data);
  socket.onclose = () => setTimeout(connect, kRetry);
}

function receive(message) {
  const header = new DataView(message);
  const key = header.getUint8(0) === 1;
  const timestamp = Number(header.getBigUint64(1, true));
  const data = new Uint8Array(message, kHeaderBytes);
  if (key) configure(codecOf(data));
  if (decoder?.state !== 'configured') return acknowledge(timestamp);  // until the next key frame
  decoder.decode(new EncodedVideoChunk({type: key ? 'key' : 'delta', timestamp, data}));
}

// Each key frame may be another producer's, of another size: the decoder begins anew where its codec changes.
function configure(codec) {
  if (decoder?.state === 'configured' && decoder.codec === codec) return;
  if (decoder && decoder.state !== 'closed') decoder.close();
  decoder = new VideoDecoder({output: show, error: fail});
  decoder.configure({codec, optimizeForLatency: true});
  decoder.codec = codec;
}

function show(frame) {
  acknowledge(frame.timestamp);
  if (canvas.width !== frame.displayWidth || canvas.height !== frame.displayHeight) {
    canvas.width = frame.displayWidth;
    canvas.height = frame.displayHeight;
  }
  context.drawImage(frame, 0, 0);
  frame.close();
  meter.picture(canvas.width, canvas.height);
  canvas.dispatchEvent(new Event('picture'));
}

// What was in the decoder is lost: nothing of it is on its way any more.
function fail(error) {
  meter.trouble = error.message;
  acknowledge(Number.MAX_SAFE_INTEGER);
  send(new Uint8Array([kResync]));
}

function acknowledge(timestamp) {
  const message = new DataView(new ArrayBuffer(kHeaderBytes));
  message.setUint8(0, kAcknowledge);
  message.setBigUint64(1, BigInt(timestamp), true);
  send(message);
}

function send(message) {
  if (socket.readyState === WebSocket.OPEN) socket.send(message);
}

// "avc1.42C01F" from the sequence parameter set (ITU-T H.264, 7.3.2.1), with which a key frame begins.
function codecOf(data) {
  for (let at = 0; at + 6 < data.length; ++at) {
    if (data[at] || data[at + 1] || data[at + 2] !== 1 || (data[at + 3] & 0x1f) !== 7) continue;
    return 'avc1.' + [...data.subarray(at + 4, at + 7)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  }
  return 'avc1.42e01f';
}

if ('VideoDecoder' in window) {
  connect();
} else {
  meter.trouble = 'this browser has WebCodecs on https:// and localhost only';
}
