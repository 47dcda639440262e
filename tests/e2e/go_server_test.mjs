// SPDX-License-Identifier: Apache-2.0
//
// The example server in Go (consumers/go/examples/server): its page in real Chromium plays one ring both ways at once,
// with no picture missing on either side, and goes on after the producer was killed while the server lives on. The
// numbers are read from the barcode in the pictures. Keeps a screenshot in artifacts/. Prints TAP.
import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {mkdir, mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {promisify} from 'node:util';
import {measureAgain, openBrowser, runTests, sleep, test, tryAgain, until} from './browser.mjs';

const kSource = process.env.FRAMERING_SOURCE ?? join(import.meta.dirname, '../..');
const kBuild = resolve(process.env.FRAMERING_BUILD ?? join(kSource, 'build'));
const kArtifacts = join(kSource, 'artifacts');
const kFps = 30;
const kWidth = 640;
const kWatched = 4;  // seconds
const kWays = ['direct', 'webrtc'];

const folder = await mkdtemp(join(tmpdir(), 'framering-go-server-'));
const env = {...process.env, FRAMERING_DIR: folder};
const programs = [];

// Starts a program of the build folder; `log` has what it says, and is waited for until it says it is ready.
async function start(path, ...args) {
  const child = spawn(join(kBuild, path), args, {env, stdio: ['ignore', 'ignore', 'pipe']});
  programs.push(child);
  child.log = '';
  child.stderr.on('data', (data) => { child.log += data; });
  await until(() => {
    assert.equal(child.exitCode, null, `${path} ended:\n${child.log}`);
    return /^framering-[a-z-]+: /m.test(child.log);
  }, 20, `${path} is ready`);
  return child;
}

async function framering(...args) {
  const {stdout} = await promisify(execFile)(join(kBuild, 'consumers/cli/framering'), args, {env, timeout: 60_000});
  return JSON.parse(stdout);
}

// In the page: reads the number and the time of drawing from every picture that each way hands out, in
// window.pictures.direct, .webrtc and .presented. WebRTC's are taken from its track and so are all that were decoded;
// .presented are those of them that the <video> also came to show, which is up to the compositor.
const decoder = (await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url), 'utf8'))
    .replace(/^export /gm, '');
const kWatch = `(() => {
  ${decoder}
  const strip = new OffscreenCanvas(${kWidth}, 32).getContext('2d', {willReadFrequently: true});
  const pictures = window.pictures = {direct: [], webrtc: [], presented: []};
  const read = (way, source) => {
    strip.drawImage(source, 0, 0);
    const code = decodeBarcode(strip.getImageData(0, 0, ${kWidth}, 32));
    pictures[way].push({number: code?.number, drawn: code?.timeMs, seen: performance.timeOrigin + performance.now()});
  };
  const canvas = document.getElementById('direct');
  canvas.addEventListener('picture', () => read('direct', canvas));

  const video = document.getElementById('webrtc');
  const present = () => {
    read('presented', video);
    video.requestVideoFrameCallback(present);
  };
  video.requestVideoFrameCallback(present);
  const follow = async (track) => {
    const {readable} = new MediaStreamTrackProcessor({track: track.clone(), maxBufferSize: 60});
    for await (const frame of readable) {
      read('webrtc', frame);
      frame.close();
    }
  };
  let followed;
  setInterval(() => {
    const track = video.srcObject?.getVideoTracks()[0];
    if (track && track !== followed) follow(followed = track);
  }, 50);
})()`;

let server;
let producer;
let browser;
const page = () => browser.page;
const pictures = () => page().evaluate(() => window.pictures);

// Takes what arrives in the next seconds: the picture numbers have to be without a gap.
async function watch(seconds, when) {
  await page().evaluate(() => Object.values(window.pictures).forEach((list) => list.splice(0)));
  await sleep(seconds * 1000);
  const seen = await pictures();
  for (const way of kWays) {
    const list = seen[way];
    assert(list.length >= seconds * kFps / 2, `${way}: only ${list.length} pictures in ${seconds} s`);
    const unreadable = list.filter(({number}) => number === undefined).length;
    assert.equal(unreadable, 0, `${way}: ${unreadable} of ${list.length} pictures have no barcode`);
    const numbers = list.map(({number}) => number);
    const first = numbers[0];
    assert.deepEqual(numbers, numbers.map((_, index) => first + index), `${way}: numbers without a gap`);
    const rate = (list.length - 1) * 1000 / (list.at(-1).drawn - list[0].drawn);
    const ages = list.map(({drawn, seen}) => seen - drawn).sort((a, b) => a - b);
    console.log(`# ${when}, ${way}: ${list.length} pictures in ${seconds} s, none missing, drawn at ` +
                `${rate.toFixed(1)} fps; ${ages[ages.length >> 1].toFixed(0)} ms old (median)`);
  }
  const shown = new Set(seen.presented.map(({number}) => number));
  console.log(`# ${when}: ${shown.size} pictures presented by <video>, ${seen.webrtc.length} decoded`);
}

async function statOf(pid) {
  const fields = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  return {state: fields[0], started: fields[19]};
}

test('the server shows a stream that is not there yet', async () => {
  server = await start('consumers/go/framering-go-server', '--listen', '127.0.0.1:0');
  const address = /http:\S+/.exec(server.log)[0];
  browser = await openBrowser();
  await page().goto(address);
  await page().evaluate(kWatch);
  assert.equal((await pictures()).direct.length, 0);
});

test('then both ways play at once', async () => {
  await start('broker/framering-broker');
  producer = await start('producer/framering-producer', '--source', 'kvm', '--stream', 'hdmi', '--supervise', '--width',
                         String(kWidth), '--height', '384', '--fps', String(kFps), '--library',
                         join(kBuild, 'tests/vendor_standin/libkvm_mmf.so'));
  await until(async () => {
    const seen = await pictures();
    return kWays.every((way) => seen[way].length > 10);
  }, 20, 'both ways play').catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await pictures())}; the server says\n${server.log}`);
  });
});

test('each viewer has a place of its own in the ring', async () => {
  const [stat] = await framering('stat', 'hdmi/h264', '--json');
  assert.deepEqual(stat.readers.map(({name}) => name).sort(), ['direct', 'webrtc']);
});

test('each way plays at the full frame rate: no number is missing', () => tryAgain(() => watch(kWatched, 'at first')));

test('both pictures are back within 2 s after the producer was killed, and the server lives on', async () => {
  const before = await statOf(server.pid);
  await measureAgain(async () => {
    const [child] = (await readFile(`/proc/${producer.pid}/task/${producer.pid}/children`, 'utf8')).trim().split(' ');
    process.kill(Number(child), 'SIGKILL');
    const killed = Date.now();
    let longest = 0;
    for (const way of kWays) {
      const back = await until(async () => (await pictures())[way].find(({drawn}) => drawn > killed), 10, `${way} is back`);
      const took = back.seen - killed;
      console.log(`# ${way}: back after ${took.toFixed(0)} ms with picture ${back.number} of the new producer`);
      longest = Math.max(longest, took);
    }
    return longest;
  }, 2000, 'both pictures are back after so many ms');
  const after = await statOf(server.pid);
  assert.equal(server.exitCode, null);
  assert.deepEqual([after.started, /[RSD]/.test(after.state)], [before.started, true]);
});

test('after that, too, no number is missing', async () => {
  await sleep(1000);
  await tryAgain(() => watch(kWatched, 'after the kill'));
});

test('a screenshot shows both', async () => {
  assert.deepEqual(page().problems, []);
  await mkdir(kArtifacts, {recursive: true});
  await page().screenshot({path: join(kArtifacts, 'go-server.png')});
  for (const id of ['direct-says', 'webrtc-says']) {
    assert.match(await page().locator(`#${id}`).textContent(), /^640 × 384, \d+ fps$/);
  }
});

await runTests(async () => {
  await browser?.close();
  for (const program of programs.reverse()) {
    program.kill('SIGTERM');
    await Promise.race([new Promise((done) => program.once('exit', done)), sleep(5000)]);
    program.kill('SIGKILL');
  }
  await rm(folder, {recursive: true, force: true});
});
