// SPDX-License-Identifier: Apache-2.0
//
// The viewer page plays each way that it offers: what it shows is read from the barcode in its
// pictures. It plays best way first, says why a way does not work, and remembers what the person
// chose. Prints TAP.
import assert from 'node:assert/strict';
import {runTests, sleep, test, until} from './browser.mjs';
import {checkPictures, choose, facts, playing, Stage, thumbnail} from './stage.mjs';

const stage = await new Stage().open();
let server;
let browser;
const page = () => browser.page;

test('the page opens without an error, and plays WebCodecs by itself', async () => {
  ({server, browser} = await stage.play());
  assert.deepEqual(page().problems, []);
});

for (const [way, stream] of [['webcodecs', 'hdmi/h264'], ['mse', 'hdmi/h264'], ['mjpeg', 'hdmi/mjpeg']]) {
  test(`${way} plays: numbered pictures, as new as their clock says, and changing`, async () => {
    await choose(page(), way);
    const before = await playing(page(), way);
    assert.deepEqual([before.stream, before.width, before.height], [stream, 640, 384]);
    const first = await thumbnail(page());
    await checkPictures(page(), way);
    const later = await thumbnail(page());
    const changed = first.filter((luma, index) => Math.abs(luma - later[index]) > 8).length;
    assert(changed > 5, `only ${changed} of ${first.length} pixels changed`);
    assert((await facts(page())).lastTimestamp > before.lastTimestamp);
    assert.deepEqual(page().problems, []);
  });

  test(`${way} tells the latency by stage`, async () => {
    const latency = await until(async () => (await facts(page())).latency, 30, 'a sample');
    const stages = ['encode', 'ring', 'server', 'network', 'decode', 'present'];
    const told = JSON.stringify(latency);
    for (const key of stages) assert(latency[key] >= 0 && latency[key] < 10_000, `${key}: ${told}`);
    const sum = stages.reduce((total, key) => total + latency[key], 0);
    assert(Math.abs(sum - latency.total) < 0.01);
    assert(latency.encode > 0.1, 'the encoder takes time');
    const shown = page().locator('#fact-latency');
    await until(async () => /\d ms$/.test(await shown.textContent()), 30, 'it is shown');
  });
}

test('switching back and forth goes on playing', async () => {
  for (const way of ['webcodecs', 'mse', 'mjpeg', 'mse', 'webcodecs']) {
    await choose(page(), way);
    await playing(page(), way);
  }
  assert.deepEqual(page().problems, []);
});

test('what the person chose is remembered, with the keyboard too', async () => {
  await choose(page(), 'mse');
  await playing(page(), 'mse');
  await page().reload();
  await playing(page(), 'mse');
  await page().keyboard.press('w');
  await playing(page(), 'mjpeg');
  await page().keyboard.press('w');
  await playing(page(), 'webcodecs');
  assert.equal(await page().locator('input[name=way][value=auto]').isChecked(), true);
});

test('the controls are reached by the Tab key, each with a name', async () => {
  await page().locator('body').focus();
  const names = [];
  for (let step = 0; step < 6; ++step) {
    await page().keyboard.press('Tab');
    names.push(await page().evaluate(() => {
      const {activeElement: active} = document;
      return active.getAttribute('aria-label') ?? active.closest('label')?.textContent.trim().split(/\s/)[0];
    }));
  }
  for (const name of ['Stream', 'Auto', 'All streams', 'Dark or light', 'Full screen'])
    assert(names.includes(name), `${name} is not among ${names}`);
});

test('dark and light: as the system has it, until the person says otherwise', async () => {
  const now = () => page().evaluate(() => document.documentElement.dataset.theme);
  const becomes = (theme, when) => until(async () => await now() === theme, 20, `${theme} ${when}`);
  await page().emulateMedia({colorScheme: 'dark'});
  await becomes('dark', 'as the system');
  await page().emulateMedia({colorScheme: 'light'});
  await becomes('light', 'as the system');
  await page().locator('#theme').click();
  await becomes('dark', 'by the button');
  await page().reload();
  await becomes('dark', 'after a reload');
  await page().keyboard.press('d');
  await becomes('light', 'by the key');
  await page().emulateMedia({colorScheme: 'dark'});
  await becomes('dark', 'since the choice was given back to the system');
});

test('without WebCodecs, MSE is played; without MSE too, MJPEG', async () => {
  for (const [gone, way] of [['VideoDecoder', 'mse'], ['MediaSource', 'mjpeg']]) {
    await page().addInitScript(`delete window.${gone}`);
    await page().reload();
    await playing(page(), way);
  }
  const input = page().locator('input[name=way][value=webcodecs]');
  assert.equal(await input.isDisabled(), true);
  assert.match(await input.locator('..').getAttribute('title'), /localhost or https/);
});

test('WebRTC is no choice while the server names no address for it', async () => {
  assert.equal(await page().locator('input[name=way][value=webrtc]').locator('..').isVisible(), false);
});

test('no request left the host', async () => {
  const hosts = new Set();
  page().on('request', (request) => hosts.add(new URL(request.url()).host));
  await page().reload();
  await sleep(1000);
  await page().goto(server.address + 'tiles.html');
  await sleep(1000);
  assert.deepEqual([...hosts], [new URL(server.address).host]);
});

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
