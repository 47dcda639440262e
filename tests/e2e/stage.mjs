// SPDX-License-Identifier: Apache-2.0
//
// Broker, producer and framering-websocket on a stage of their own, for tests that look at the
// viewer page; and what the page shows, read from the barcode in its pictures.
import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:net';
import {tmpdir} from 'node:os';
import {join, resolve} from 'node:path';
import {promisify} from 'node:util';
import {openBrowser, sleep, until} from './browser.mjs';

export const kSource = process.env.FRAMERING_SOURCE ?? join(import.meta.dirname, '../..');
export const kArtifacts = join(kSource, 'artifacts');
const kBuild = resolve(process.env.FRAMERING_BUILD ?? join(kSource, 'build'));

// Out of those that the kernel gives to nobody by itself, so that nobody has taken it when it is used.
export function freePort() {
  return new Promise((done) => {
    const server = createServer();
    const attempt = () => server.listen(10_000 + Math.floor(Math.random() * 20_000), '127.0.0.1');
    server.on('error', attempt);
    server.on('listening', () => {
      const {port} = server.address();
      server.close(() => done(port));
    });
    attempt();
  });
}

// MediaMTX is a WHEP server; it is tested with where it is.
export const kMediamtx = [...process.env.PATH.split(':'), join(kArtifacts, 'recipes')]
    .map((folder) => join(folder, 'mediamtx')).find(existsSync);
export const kNoMediamtx = 'no mediamtx here: its recipe is not tested; ' +
    'FRAMERING_E2E_RECIPES=1 test_recipes.py makes it';

const kSmall = ['--width', '640', '--height', '384', '--fps', '30'];

export class Stage {
  constructor() { this.programs = []; }

  async open() {
    this.folder = await mkdtemp(join(tmpdir(), 'framering-viewer-'));
    this.control = join(this.folder, 'faults');
    this.env = {...process.env, FRAMERING_DIR: this.folder};
    return this;
  }

  async close() {
    for (const program of this.programs.reverse()) await this.stop(program);
    await rm(this.folder, {recursive: true, force: true});
  }

  // Starts a program of the build folder, and waits for the line with which it says that it is
  // ready.
  async start(path, args, env = {}) {
    const child = spawn(join(kBuild, path), args,
                        {env: {...this.env, ...env}, stdio: ['ignore', 'ignore', 'pipe']});
    this.programs.push(child);
    child.log = '';
    child.stderr.on('data', (data) => { child.log += data; });
    child.on('error', (error) => { child.log += error.message; child.failed = true; });
    await until(() => {
      const ended = child.failed || child.exitCode !== null || child.signalCode !== null;
      assert(!ended, `${path} ended:\n${child.log}`);
      return /^framering-[a-z-]+: /m.test(child.log);
    }, 20, `${path} is ready`);
    return child;
  }

  async stop(child, signal = 'SIGTERM') {
    const ended = new Promise((done) => child.once('exit', done));
    if (child.exitCode !== null || child.signalCode !== null || !child.pid) return;
    child.kill(signal);
    await Promise.race([ended, sleep(20_000)]);
    child.kill('SIGKILL');
    await ended;
  }

  path(program) { return join(kBuild, program); }

  // What the ring's keeper says of a stream.
  async stat(stream) {
    const {stdout} = await promisify(execFile)(this.path('consumers/cli/framering'), ['stat', stream, '--json'],
                                               {env: this.env, timeout: 60_000});
    return JSON.parse(stdout)[0];
  }

  startBroker() { return this.start('broker/framering-broker', []); }

  // The stand-in's picture, as H.264 and as MJPEG.
  startProducer({stream = 'hdmi', control = this.control, options = kSmall} = {}) {
    const library = join(kBuild, 'tests/vendor_standin/libkvm_mmf.so');
    return this.start('producer/framering-producer',
                      ['--source', 'kvm', '--stream', stream, '--library', library, '--supervise', ...options],
                      {KVM_STANDIN_CONTROL: control});
  }

  async startServer(address = '127.0.0.1:0', options = []) {
    const words = ['--listen', address, ...options];
    const child = await this.start('consumers/websocket/framering-websocket', words);
    child.address = /https?:\S+\//.exec(child.log)[0];
    return child;
  }

  // With the recipe of the server's README. Gives what --whep wants to know.
  async startMediamtx(host) {
    const readme = await readFile(join(kSource, 'consumers/websocket/README.md'), 'utf8');
    const [, recipe] = /^### MediaMTX.*?^```yaml\n(.*?)^```/ms.exec(readme);
    const config = join(this.folder, 'mediamtx.yml');
    await writeFile(config, recipe);
    const [web, udp, rtsp] = await Promise.all([freePort(), freePort(), freePort()]);
    const child = spawn(kMediamtx, [config], {stdio: 'ignore', env: {
      ...this.env, PATH: `${join(kBuild, 'consumers/cli')}:${process.env.PATH}`,
      MTX_WEBRTCADDRESS: `${host}:${web}`, MTX_WEBRTCLOCALUDPADDRESS: `${host}:${udp}`,
      MTX_WEBRTCADDITIONALHOSTS: host, MTX_RTSPADDRESS: `127.0.0.1:${rtsp}`, MTX_RTSPTRANSPORTS: 'tcp',
      MTX_RTMP: 'no', MTX_HLS: 'no', MTX_SRT: 'no',
    }});
    this.programs.push(child);
    const address = `http://${host}:${web}/hdmi/h264/whep`;
    await until(() => fetch(address, {method: 'OPTIONS'}).catch(() => null), 30, 'MediaMTX listens');
    return `:${web}/{stream}/whep`;
  }

  async fault(...command) {
    const program = join(kBuild, 'tests/vendor_standin/kvm-standin-ctl');
    await promisify(execFile)(program, [this.control, ...command], {timeout: 60_000});
  }

  // Broker, producer and server, and a browser in which the page plays by itself.
  async play(address, options) {
    const broker = await this.startBroker();
    const producer = await this.startProducer();
    const server = await this.startServer(address, options);
    const browser = await openBrowser();
    await browser.page.goto(server.address);
    await watch(browser.page);
    await playing(browser.page, 'webcodecs');
    return {broker, producer, server, browser};
  }
}

// In the page: window.pictures has {number, drawn, seen} for each picture that it shows from now
// on; `drawn` and `seen` in ms since 1970, `number` undefined where there was no barcode. `seen` is
// when a canvas was drawn, or when the browser presented a frame of a <video>.
const decoder = (await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url), 'utf8'))
    .replace(/^export /gm, '');
const kWatch = `(() => {
  ${decoder}
  const strip = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
  const pictures = window.pictures = [];
  const read = (source, width, seen) => {
    const tall = 4 * barcodeCell(width);
    if (strip.canvas.width !== width) Object.assign(strip.canvas, {width, height: tall});
    strip.drawImage(source, 0, 0);
    const code = decodeBarcode(strip.getImageData(0, 0, width, tall));
    pictures.push({number: code?.number, drawn: code?.timeMs, seen: performance.timeOrigin + seen,
                   timestamp: window.framering.lastTimestamp});
    if (pictures.length > 4000) pictures.shift();
  };
  const stage = document.getElementById('stage');
  const canvas = stage.querySelector('canvas'), video = stage.querySelector('video');
  stage.addEventListener('picture', () => {
    if (stage.dataset.shows === 'canvas') read(canvas, canvas.width, performance.now());
  });
  const present = (now, {presentationTime}) => {
    video.requestVideoFrameCallback(present);
    if (stage.dataset.shows === 'video') read(video, video.videoWidth, presentationTime);
  };
  video.requestVideoFrameCallback(present);
})()`;

export const watch = (page) => page.evaluate(kWatch);
export const facts = (page) => page.evaluate(() => window.framering);
export const pictures = (page) => page.evaluate(() => window.pictures);
export const forgetPictures = (page) => page.evaluate(() => { window.pictures.length = 0; });

export async function choose(page, way) {
  const input = page.locator(`input[name=way][value=${way}]`);
  await until(() => input.isEnabled(), 10, `${way} can be chosen`);
  await input.check({force: true});
}

// Waits until `way` plays, and gives what the page says then.
export function playing(page, way, seconds = 20) {
  return until(async () => {
    const now = await facts(page);
    return now.way === way && now.state === 'live' && now.frames > 10 && now;
  }, seconds, `${way} plays`).catch(async (error) => {
    throw new Error(`${error.message}; the page says ${JSON.stringify(await facts(page))}`);
  });
}

// Pictures have to be readable and numbered upwards, always. Some `seconds` of them have to be many
// enough, as old as the clock says, and changing: on a machine that others use too, not every time.
export async function checkPictures(page, what, limits = {}) {
  for (let attempts = 6; ; --attempts) {
    try {
      return await checkSomePictures(page, what, limits);
    } catch (error) {
      if (!(error instanceof Late) || attempts === 1) throw error;
      console.log(`# ${error.message}; once more`);
    }
  }
}

class Late extends Error {}

function inTime(good, complaint) {
  if (!good) throw new Late(complaint);
}

async function checkSomePictures(page, what, {seconds = 1.5, fps = 30, oldest_ms = 1000}) {
  await forgetPictures(page);
  await sleep(seconds * 1000);
  const seen = await pictures(page);
  const unreadable = seen.filter(({number}) => number === undefined).length;
  assert.equal(unreadable, 0, `${what}: ${unreadable} of ${seen.length} pictures have no barcode`);
  const numbers = seen.map(({number}) => number);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), `${what}: numbers go up`);
  inTime(seen.length > seconds * fps * 0.6, `${what}: only ${seen.length} pictures in ${seconds} s`);
  const really = seen.at(-1).seen - seen[0].seen;
  const passed = seen.at(-1).drawn - seen[0].drawn;
  inTime(Math.abs(really - passed) < 300, `${what}: the picture's clock went ${passed} ms in ${really} ms`);
  const ages = seen.map(({drawn, seen: at}) => at - drawn).sort((a, b) => a - b);
  const age = ages[ages.length >> 1];
  assert(age > 0, `${what}: pictures are ${age} ms old`);
  inTime(age < oldest_ms, `${what}: pictures are ${age} ms old`);
  console.log(`# ${what}: ${seen.length} pictures in ${seconds} s, ${new Set(numbers).size} different, ` +
              `${age.toFixed(0)} ms old (median)`);
}

// Small and grey, to compare pictures by.
export const thumbnail = (page) => page.evaluate(() => {
  const stage = document.getElementById('stage');
  const context = new OffscreenCanvas(64, 36).getContext('2d');
  context.drawImage(stage.querySelector(stage.dataset.shows), 0, 0, 64, 36);
  return [...context.getImageData(0, 0, 64, 36).data].filter((_, index) => index % 4 === 1);
});
