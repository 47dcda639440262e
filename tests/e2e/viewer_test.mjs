// SPDX-License-Identifier: Apache-2.0
//
// `./dev demo` as a person meets it: the viewer page in real Chromium shows the live desktop, each
// way, and everything is gone after Ctrl-C. Keeps a screenshot in artifacts/. Prints TAP.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdir, stat} from 'node:fs/promises';
import {join} from 'node:path';
import {openBrowser, runTests, sleep, test, until} from './browser.mjs';
import {
  checkPictures, choose, facts, freePort, kArtifacts, kSource, playing, thumbnail, watch,
} from './stage.mjs';

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
    for (const deadline = Date.now() + 180_000; Date.now() < deadline; await sleep(100)) {
      const found = /Open (http:\/\/\S+?)[\s\u001b]/.exec(this.text);
      if (found) return found[1];
      assert(!this.ended, `the demo ended before it was ready:\n${this.text}`);
    }
    throw new Error(`no address within 180 s:\n${this.text}`);
  }

  get folder() { return /--socket-dir (\S+)\/sockets/.exec(this.text)?.[1]; }

  async stop(signal) {
    if (!this.ended) process.kill(-this.child.pid, signal);
    const late = sleep(60_000).then(() => null);
    const how = await Promise.race([this.exit, late]);
    if (!how) {
      process.kill(-this.child.pid, 'SIGKILL');
      throw new Error(`the demo still ran 60 s after ${signal}:\n${this.text}`);
    }
    return how;
  }
}

let demo;
let browser;
const page = () => browser.page;

test('dev demo starts and prints its address', async () => {
  const port = await freePort();
  demo = new Demo(port);
  assert.equal(new URL(await demo.address()).host, `127.0.0.1:${port}`);
});

test('the viewer page opens in Chromium without an error', async () => {
  browser = await openBrowser();
  await page().goto(await demo.address());
  await watch(page());
  await until(async () => (await facts(page())).frames > 0, 20, 'a first picture');
  assert.deepEqual(page().problems, []);
});

for (const way of ['webcodecs', 'mse', 'mjpeg']) {
  test(`${way} shows the live desktop: pixels change and the clock advances`, async () => {
    await choose(page(), way);
    const {width, height} = await playing(page(), way);
    assert.deepEqual([width, height], [1280, 720]);
    const before = await thumbnail(page());
    await checkPictures(page(), way, {fps: 20, oldest_ms: 1500});
    const after = await thumbnail(page());
    const changed = before.filter((luma, index) => Math.abs(luma - after[index]) > 8).length;
    assert(changed > 5, `only ${changed} of ${before.length} pixels changed`);
    assert.deepEqual(page().problems, []);
  });
}

test('a screenshot shows the live desktop', async () => {
  await mkdir(kArtifacts, {recursive: true});
  await choose(page(), 'auto');
  await playing(page(), 'webcodecs');
  await page().screenshot({path: join(kArtifacts, 'demo.png')});
  assert(new Set(await thumbnail(page())).size > 8, 'a picture with something on it');
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

await runTests(async () => {
  await browser?.close();
  if (demo && !demo.ended) await demo.stop('SIGTERM').catch((error) => console.log(`# ${error.message}`));
});
