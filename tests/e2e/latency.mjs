// SPDX-License-Identifier: Apache-2.0
//
// How old a picture is when the viewer page shows it, for each way: node latency.mjs [SECONDS]. The
// stand-in draws the time into each picture; the page reads it where the picture appears
// (requestVideoFrameCallback of a <video>, after the drawing of a canvas). Encode and present are
// shown apart: the first is the encoder's, the last the browser's and the screen's. "The rest" is
// what is between: ring, server, network, decode. All of it on one machine, over loopback.
import {cpus} from 'node:os';
import {openBrowser, sleep} from './browser.mjs';
import {choose, forgetPictures, playing, Stage, watch} from './stage.mjs';

const kSeconds = Number(process.argv[2] ?? 15);
const kGoal_ms = 8;
const kStages = ['capture', 'encode', 'ring', 'server', 'network', 'decode', 'present'];

const percentile = (values, part) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(Math.floor(sorted.length * part), sorted.length - 1)];
};
const padded = (value) => value.toFixed(1).padStart(6);
const figure = (values) => `${padded(percentile(values, 0.5))} ${padded(percentile(values, 0.95))}`;

const stage = await new Stage().open();
let failed = false;
try {
  await stage.startBroker();
  await stage.startProducer({options: ['--width', '640', '--height', '360', '--fps', '60']});
  const server = await stage.startServer();
  const browser = await openBrowser();
  const {page} = browser;
  await page.goto(server.address);
  await watch(page);
  // Each sample of the page, with the picture that it is about.
  await page.evaluate(() => {
    window.samples = [];
    let last = null;
    document.getElementById('stage').addEventListener('picture', () => {
      const {latency} = window.framering;
      if (latency && latency !== last) window.samples.push(last = latency);
    });
  });

  console.log(`640x360 at 60 fps, ${kSeconds} s a way; ${cpus().length} x ${cpus()[0].model}; ms, p50 and p95`);
  const titles = ['whole', 'the rest', ...kStages].map((name) => name.padEnd(13));
  console.log(`${'way'.padEnd(10)} pictures  ${titles.join('  ')}`);
  for (const way of ['webcodecs', 'mse', 'mjpeg']) {
    await choose(page, way);
    await playing(page, way);
    await sleep(2000);
    await forgetPictures(page);
    await page.evaluate(() => { window.samples.length = 0; });
    await sleep(kSeconds * 1000);
    const pictures = await page.evaluate(() => window.pictures);
    const samples = await page.evaluate(() => window.samples);
    const readable = pictures.filter(({number}) => number);
    const age = new Map(readable.map(({timestamp, drawn, seen}) => [timestamp, seen - drawn]));
    const known = samples.filter(({timestamp}) => age.has(timestamp));
    for (const sample of known) {
      sample.whole = age.get(sample.timestamp);
      sample.capture = Math.max(sample.whole - sample.total, 0);
      sample.rest = sample.whole - sample.encode - sample.present;
    }
    if (known.length < kSeconds)
      throw new Error(`${way}: only ${known.length} of ${pictures.length} pictures were timed`);
    const stages = ['rest', ...kStages].map((key) => known.map((sample) => sample[key]));
    const columns = [[...age.values()], ...stages].map(figure);
    console.log(`${way.padEnd(10)} ${String(pictures.length).padStart(8)}  ${columns.join('  ')}`);
    if (way === 'webcodecs') {
      const rest = percentile(known.map((sample) => sample.rest), 0.5);
      failed = rest > kGoal_ms;
      const verdict = failed ? 'MISSED' : 'met';
      console.log(`           the rest ${rest.toFixed(1)} ms p50, at most ${kGoal_ms} ms wanted: ${verdict}`);
    }
  }
  await browser.close();
} finally {
  await stage.close();
}
process.exit(failed ? 1 : 0);
