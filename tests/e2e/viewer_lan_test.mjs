// SPDX-License-Identifier: Apache-2.0
//
// The viewer page as most people on a LAN meet it: by plain http:// from another machine, where
// browsers have no WebCodecs. Server and browser are in two network namespaces joined by a veth
// pair, which end with this test. Needs root. Prints TAP.
import assert from 'node:assert/strict';
import {execFileSync, spawn, spawnSync} from 'node:child_process';
import {chmod, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {kChromium, openBrowser, runTests, test, until} from './browser.mjs';
import {
  checkPictures, choose, facts, kMediamtx, kNoMediamtx, playing, Stage, watch,
} from './stage.mjs';

const kInside = 'FRAMERING_INSIDE_NAMESPACE';
const kServerAddress = '10.91.7.1';
const kBrowserAddress = '10.91.7.2';

if (!process.env[kInside]) {
  if (process.getuid() !== 0 || spawnSync('unshare', ['--net', 'true']).status !== 0) {
    console.log('1..0 # SKIP network namespaces need root');
    process.exit(0);
  }
  const again = ['--net', process.execPath, ...process.argv.slice(1)];
  const {status} = spawnSync('unshare', again, {env: {...process.env, [kInside]: '1'}, stdio: 'inherit'});
  process.exit(status ?? 1);
}

const ip = (...words) => execFileSync('ip', words, {stdio: ['ignore', 'ignore', 'inherit']});
const stage = await new Stage().open();
let elsewhere;  // a process in the browser's namespace, which keeps it
let browser;
const page = () => browser.page;

async function openElsewhere() {
  elsewhere = spawn('unshare', ['--net', 'sleep', 'infinity'], {stdio: 'ignore'});
  const own = execFileSync('readlink', ['/proc/self/ns/net']).toString();
  const theirs = `/proc/${elsewhere.pid}/ns/net`;
  await until(() => execFileSync('readlink', [theirs]).toString() !== own, 30, 'another namespace');
  ip('link', 'set', 'lo', 'up');
  ip('link', 'add', 'server', 'type', 'veth', 'peer', 'name', 'browser', 'netns', String(elsewhere.pid));
  ip('address', 'add', `${kServerAddress}/24`, 'dev', 'server');
  ip('link', 'set', 'server', 'up');
  const inside = (...words) => execFileSync('nsenter', ['--net=' + theirs, 'ip', ...words]);
  inside('link', 'set', 'lo', 'up');
  inside('address', 'add', `${kBrowserAddress}/24`, 'dev', 'browser');
  inside('link', 'set', 'browser', 'up');
  const wrapper = join(stage.folder, 'chromium-elsewhere');
  await writeFile(wrapper, `#!/bin/sh\nexec nsenter --net=${theirs} ${kChromium} "$@"\n`);
  await chmod(wrapper, 0o755);
  return wrapper;
}

test('the page opens from a plain http:// address of another machine', async () => {
  const executablePath = await openElsewhere();
  await stage.startBroker();
  await stage.startProducer();
  const server = await stage.startServer(`${kServerAddress}:0`, ['--insecure-open-to-network']);
  browser = await openBrowser({executablePath});
  await page().goto(server.address);
  await watch(page());
  assert.equal(new URL(page().url()).hostname, kServerAddress);
  assert.equal(await page().evaluate(() => window.isSecureContext), false);
});

test('WebCodecs is absent there, so that MSE is chosen, and plays', async () => {
  assert.equal(await page().evaluate(() => 'VideoDecoder' in window), false);
  await playing(page(), 'mse');
  await checkPictures(page(), 'mse over http://');
  assert.deepEqual(page().problems, []);
});

test('MJPEG plays there as well', async () => {
  await choose(page(), 'mjpeg');
  await playing(page(), 'mjpeg');
  await checkPictures(page(), 'mjpeg over http://');
  assert.deepEqual(page().problems, []);
});

test('the page says why WebCodecs cannot be chosen', async () => {
  const label = page().locator('input[name=way][value=webcodecs]').locator('..');
  assert.match(await label.getAttribute('title'), /only on pages from localhost or https/);
  assert.equal((await facts(page())).way, 'mjpeg');
});

if (kMediamtx) {
  test('WebRTC plays there as well, from MediaMTX', async () => {
    const options = ['--insecure-open-to-network', '--whep', await stage.startMediamtx(kServerAddress)];
    await page().goto((await stage.startServer(`${kServerAddress}:0`, options)).address);
    await watch(page());
    await choose(page(), 'auto');
    await playing(page(), 'webrtc', 60);
    await checkPictures(page(), 'webrtc over http://', {fps: 20});
    assert.deepEqual(page().problems, []);
  });
} else {
  console.log(`# ${kNoMediamtx}`);
}

await runTests(async () => {
  await browser?.close();
  elsewhere?.kill('SIGKILL');
  await stage.close();
});
