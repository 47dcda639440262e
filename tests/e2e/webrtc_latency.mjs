// SPDX-License-Identifier: Apache-2.0
//
// How old a picture is when a WebRTC viewer shows it, and how soon a newcomer sees its first one:
// node webrtc_latency.mjs [SECONDS [NEWCOMERS]]. The stand-in draws the time into each picture. Encode
// (from the ring's own time stamps) and present (the browser's and the screen's) are shown apart; "the
// rest" is what is between: ring, packets, SRTP, network, jitter buffer, decode. All of it on one
// machine, not through loopback but through its own network address.
import {cpus} from 'node:os';
import {openBrowser, sleep, until} from './browser.mjs';
import {pictures, watch, WebrtcStage} from './webrtc_stage.mjs';

const kSeconds = Number(process.argv[2] ?? 10);
const kNewcomers = Number(process.argv[3] ?? 50);
const kGoal_ms = 10;
const kFirstGoal_ms = 300;

const percentile = (values, part) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
};
const figure = (values) => `${percentile(values, 0.5).toFixed(1)} ms p50, ${percentile(values, 0.95).toFixed(1)} ms p95`;
const verdict = (met) => (met ? 'met' : 'MISSED');

// Milliseconds from a picture's capture to the end of its encoding, five times a second.
async function encodeTimes(page, server, seconds) {
  await page.goto(server.address + 'healthz');
  return page.evaluate((time) => new Promise((done) => {
    const times = [];
    const socket = new WebSocket('/api/stream/h264/direct?timing=1&stream=hdmi%2Fh264');
    socket.onmessage = ({data}) => {
      const message = typeof data === 'string' ? JSON.parse(data) : {};
      if (message.type === 'timing') times.push((message.encoded_us - message.timestamp_us) / 1000);
    };
    setTimeout(() => { socket.close(); done(times); }, time * 1000);
  }), seconds);
}

// {drawn, received, decode, shown} of each picture that the <video> presents, ms; decode is a length.
const followPresented = (page) => page.evaluate(() => {
  window.samples = [];
  const video = document.querySelector('video');
  const strip = new OffscreenCanvas(640, 32).getContext('2d', {willReadFrequently: true});
  const present = (now, {presentationTime, receiveTime, processingDuration}) => {
    video.requestVideoFrameCallback(present);
    strip.drawImage(video, 0, 0);
    const code = decodeBarcode(strip.getImageData(0, 0, 640, 32));
    if (code && receiveTime) {
      window.samples.push({drawn: code.timeMs, received: performance.timeOrigin + receiveTime, decode: processingDuration * 1000,
                           shown: performance.timeOrigin + presentationTime});
    }
  };
  video.requestVideoFrameCallback(present);
});

const stage = await new WebrtcStage().open();
let failed = false;
try {
  await stage.startBroker();
  await stage.startProducer({options: ['--width', '640', '--height', '360', '--fps', '60']});
  const server = await stage.startWebrtc();
  const websocket = await stage.startServer();
  const browser = await openBrowser();
  const {page} = browser;
  await page.goto(server.address);
  await watch(page);
  await page.evaluate(() => window.player.play('hdmi/h264'));
  await until(async () => (await pictures(page)).length > 60, 20, 'pictures');
  await followPresented(page);
  const other = await browser.browser.newPage();
  await page.bringToFront();
  await sleep(1000);
  await page.evaluate(() => { window.samples.length = window.pictures.length = 0; });
  const encode = await encodeTimes(other, websocket, kSeconds);
  const samples = await page.evaluate(() => window.samples);
  const decoded = (await pictures(page)).filter(({number}) => number !== undefined);
  await other.close();
  const encodeMedian = percentile(encode, 0.5);
  const rest = samples.map(({drawn, received, decode}) => received - drawn - encodeMedian + decode);
  console.log(`640x360 at 60 fps, ${kSeconds} s; ${cpus().length} x ${cpus()[0].model}; ${decoded.length} pictures decoded, ${samples.length} presented`);
  console.log(`encode     ${figure(encode)}`);
  console.log(`present    ${figure(samples.map(({received, decode, shown}) => shown - received - decode))}`);
  console.log(`whole, out of the decoder ${figure(decoded.map(({drawn, seen}) => seen - drawn))}`);
  console.log(`whole, on the screen      ${figure(samples.map(({drawn, shown}) => shown - drawn))}`);
  const met = percentile(rest, 0.5) <= kGoal_ms;
  console.log(`the rest   ${figure(rest)}; at most ${kGoal_ms} ms p50 wanted: ${verdict(met)}`);

  const first = [];
  for (let newcomer = 0; newcomer < kNewcomers; ++newcomer) {
    first.push(await page.evaluate(async () => {
      await window.player.stop();
      const video = document.querySelector('video');
      video.srcObject = null;
      const shown = new Promise((done) => video.requestVideoFrameCallback((now) => done(now)));
      await window.player.play('hdmi/h264');
      return await shown - window.player.posted;
    }));
    await sleep(200);
  }
  const soon = percentile(first, 0.95) <= kFirstGoal_ms;
  console.log(`first picture after the POST, of ${kNewcomers}: ${figure(first)}, worst ${Math.max(...first).toFixed(0)} ms; ` +
              `at most ${kFirstGoal_ms} ms p95 wanted: ${verdict(soon)}`);
  failed = !met || !soon;
  await browser.close();
} finally {
  await stage.close();
}
process.exit(failed ? 1 : 0);
