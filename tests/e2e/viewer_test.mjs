// SPDX-License-Identifier: Apache-2.0
//
// `./dev demo` as a person meets it: the viewer page in real Chromium shows the live desktop, both
// ways, and everything is gone after Ctrl-C. Keeps a screenshot in artifacts/. Prints TAP.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {createServer} from 'node:net';
import {mkdir, mkdtemp, readFile, rm, stat} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {chromium} from 'playwright-core';

const kSource = process.env.FRAMERING_SOURCE ?? join(import.meta.dirname ?? '.', '../..');
const kArtifacts = join(kSource, 'artifacts');
const kChromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kChromiumArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

function freePort() {
  return new Promise((done, fail) => {
    const server = createServer();
    server.once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const {port} = server.address();
      server.close(() => done(port));
    });
  });
}

// ./dev demo, until it prints its address. A process group of its own, so that a signal reaches it
// the way a terminal's Ctrl-C does.
class Demo {
  constructor(port, extra = []) {
    this.text = '';
    const env = {...process.env, NO_COLOR: '1'};
    this.child = spawn('./dev', ['demo', '--port', String(port), ...extra],
                       {cwd: kSource, env, detached: true, stdio: ['ignore', 'pipe', 'pipe']});
    for (const pipe of [this.child.stdout, this.child.stderr]) {
      pipe.on('data', (data) => { this.text += data; });
    }
    this.exit = new Promise((done) => this.child.once('exit', (code, signal) => done({code, signal})));
    this.exit.then((how) => { this.ended = how; });
  }

  async address() {
    for (const deadline = Date.now() + 60_000; Date.now() < deadline; await sleep(100)) {
      const found = /Open (http:\/\/\S+?)[\s\u001b]/.exec(this.text);
      if (found) return found[1];
      assert(!this.ended, `the demo ended before it was ready:\n${this.text}`);
    }
    throw new Error(`no address within 60 s:\n${this.text}`);
  }

  get folder() { return /--socket-dir (\S+)\/sockets/.exec(this.text)?.[1]; }

  async stop(signal) {
    if (!this.ended) process.kill(-this.child.pid, signal);
    const late = sleep(15_000).then(() => null);
    const how = await Promise.race([this.exit, late]);
    if (!how) {
      process.kill(-this.child.pid, 'SIGKILL');
      throw new Error(`the demo still ran 15 s after ${signal}:\n${this.text}`);
    }
    return how;
  }
}

// Small and grey, to compare pictures by.
const kThumbnail = `(() => {
  const canvas = document.getElementById('picture');
  const small = new OffscreenCanvas(64, 36);
  const context = small.getContext('2d');
  context.drawImage(canvas, 0, 0, 64, 36);
  return [...context.getImageData(0, 0, 64, 36).data].filter((_, index) => index % 4 === 1);
})()`;

// {number, timeMs} of the barcode in the picture's top left corner, and the page's clock with it.
// Decoded in the page: the pixels themselves take seconds to get here.
const decoder = (await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url), 'utf8'))
    .replace(/^export /gm, '');
const kBarcode = `(() => {
  ${decoder}
  const canvas = document.getElementById('picture');
  const image = canvas.getContext('2d').getImageData(0, 0, canvas.width, 128);
  return {nowMs: Date.now(), ...decodeBarcode(image)};
})()`;

const facts = (page) => page.evaluate(() => ({...window.framering}));

async function until(condition, seconds, what) {
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(100)) {
    const result = await condition();
    if (result) return result;
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

// Plays one way and checks that pictures move and the barcode in them advances in step with time.
async function checkWay(page, way, mode, stream) {
  await page.locator(`input[name=way][value=${way}]`).check({force: true});
  await until(async () => {
    const now = await facts(page);
    return now.mode === mode && now.frames > 10;
  }, 20, `${way} plays`).catch(async (error) => {
    throw new Error(`${error.message}; the page says ${JSON.stringify(await facts(page))}`);
  });
  const before = await facts(page);
  const early = await page.evaluate(kBarcode);
  const picture = await page.evaluate(kThumbnail);
  assert(early.number, 'a barcode in the picture');
  await sleep(2000);
  const after = await facts(page);
  const late = await page.evaluate(kBarcode);
  const laterPicture = await page.evaluate(kThumbnail);
  assert(late.number, 'a barcode in the later picture');

  assert.equal(after.stream, stream);
  assert.equal(after.state, 'live');
  assert.deepEqual([after.width, after.height], [1280, 720]);
  assert(after.frames - before.frames > 10, `only ${after.frames - before.frames} pictures in 2 s`);
  assert(after.lastTimestamp > before.lastTimestamp);
  assert(late.number > early.number, 'the picture number advances');
  const passed = late.timeMs - early.timeMs;
  const really = late.nowMs - early.nowMs;
  assert(Math.abs(passed - really) < 700, `the picture's clock: ${passed} ms in ${really} ms`);
  const age = late.nowMs - late.timeMs;
  assert(age < 1500, `the picture is ${age} ms old`);
  const changed = picture.filter((luma, index) => Math.abs(luma - laterPicture[index]) > 8).length;
  assert(changed > 5, `only ${changed} of ${picture.length} pixels changed`);
  console.log(`# ${way}: ${after.frames - before.frames} pictures in 2 s, ${Math.round(age)} ms old, ` +
              `${changed} of ${picture.length} thumbnail pixels changed`);
}

const tests = [];
const test = (name, run) => tests.push({name, run});

let demo;
let browser;
let page;
let profile;

test('dev demo starts and prints its address', async () => {
  const port = await freePort();
  demo = new Demo(port);
  assert.equal(new URL(await demo.address()).host, `127.0.0.1:${port}`);
});

test('the viewer page opens in Chromium without an error', async () => {
  profile = await mkdtemp(join(tmpdir(), 'framering-chromium-'));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: kChromium, headless: true, args: kChromiumArguments,
    viewport: {width: 1280, height: 860},
  });
  page = browser.pages()[0] ?? await browser.newPage();
  page.problems = [];
  page.on('pageerror', (error) => page.problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  await page.goto(await demo.address());
  await until(async () => (await facts(page)).frames > 0, 20, 'a first picture');
  assert.deepEqual(page.problems, []);
});

test('H.264 plays through WebCodecs: pixels change and the clock advances',
     () => checkWay(page, 'webcodecs', 'webcodecs', 'hdmi/h264'));

test('MJPEG plays: pixels change and the clock advances',
     () => checkWay(page, 'mjpeg', 'mjpeg', 'hdmi/mjpeg'));

test('switching back and forth goes on playing', async () => {
  for (const [way, mode] of [['webcodecs', 'webcodecs'], ['mjpeg', 'mjpeg'], ['auto', 'webcodecs']]) {
    await page.locator(`input[name=way][value=${way}]`).check({force: true});
    await until(async () => {
      const now = await facts(page);
      return now.mode === mode && now.frames > 3;
    }, 10, `${way} plays`);
  }
  assert.deepEqual(page.problems, []);
});

test('a screenshot shows the live desktop', async () => {
  await mkdir(kArtifacts, {recursive: true});
  await until(async () => (await facts(page)).frames > 30, 10, 'pictures');
  await page.screenshot({path: join(kArtifacts, 'demo.png')});
  const luma = await page.evaluate(kThumbnail);
  assert(new Set(luma).size > 8, 'a picture with something on it');
});

test('Ctrl-C stops everything and leaves nothing behind', async () => {
  const address = await demo.address();
  const folder = demo.folder;
  assert(folder, 'the demo names its folder');
  const {code} = await demo.stop('SIGINT');
  assert.equal(code, 0, demo.text);
  await assert.rejects(fetch(address), 'the server is gone');
  await assert.rejects(stat(folder), 'so is its folder');
});

let failures = 0;
console.log(`1..${tests.length}`);
for (const [index, {name, run}] of tests.entries()) {
  try {
    await run();
    console.log(`ok ${index + 1} - ${name}`);
  } catch (error) {
    ++failures;
    console.log(`not ok ${index + 1} - ${name}`);
    console.log(String(error.stack ?? error).replace(/^/gm, '# '));
  }
}
await browser?.close().catch(() => {});
if (demo && !demo.ended) await demo.stop('SIGTERM').catch((error) => console.log(`# ${error.message}`));
if (profile) await rm(profile, {recursive: true, force: true}).catch(() => {});
process.exit(failures ? 1 : 0);
