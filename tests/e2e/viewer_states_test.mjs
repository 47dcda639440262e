// SPDX-License-Identifier: Apache-2.0
//
// The viewer page says in words why there is no picture, in every state that a person can meet, and
// fits a phone. Keeps a screenshot of each in artifacts/viewer-*.png, to be looked at. Prints TAP.
import assert from 'node:assert/strict';
import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {openBrowser, runTests, sleep, test, until} from './browser.mjs';
import {choose, facts, freePort, kArtifacts, playing, Stage} from './stage.mjs';

const kPhone = {width: 390, height: 844};
const kDesktop = {width: 1280, height: 860};
// For screenshots: a chart that is full.
const kChart_ms = Number(process.env.FRAMERING_E2E_SECONDS ?? 0) > 0 ? 13_000 : 1000;
const stage = await new Stage().open();
const address = `127.0.0.1:${await freePort()}`;
let broker;
let server;
let browser;
const page = () => browser.page;

const notice = async () => (await page().locator('#stage .notice').innerText()).replace(/\s+/g, ' ').trim();
const status = () => page().locator('#status-text').textContent();

async function keep(name) {
  await mkdir(kArtifacts, {recursive: true});
  await sleep(400);  // transitions
  await page().screenshot({path: join(kArtifacts, `viewer-${name}.png`)});
}

// Waits for the words, and that they are seen.
async function says(words, hint) {
  const shown = page().locator('#stage .notice');
  await until(async () => await shown.isVisible() && words.test(await notice()) && words.test(await status()),
              30, `the page says ${words}`).catch(async (error) => {
    throw new Error(`${error.message}; it says "${await notice()}", ${JSON.stringify(await facts(page()))}`);
  });
  assert.match(await notice(), hint);
}

// Nothing is cut off or beside the page, and no text overlaps its neighbour.
async function fits(what) {
  const wrong = await page().evaluate(() => {
    const found = [];
    const {scrollWidth} = document.documentElement;
    if (scrollWidth > innerWidth) found.push(`the page is ${scrollWidth} wide`);
    for (const element of document.querySelectorAll('header *, footer *, .caption *')) {
      const box = element.getBoundingClientRect();
      if (box.width === 0 || element.closest('svg, select, legend')) continue;
      const what = element.outerHTML.slice(0, 80);
      if (box.right > innerWidth + 1 || box.left < -1) found.push(`${what} at ${box.left}..${box.right}`);
      const text = element.matches('dd, dt, output, button span, .segments span');
      if (text && element.scrollWidth > element.clientWidth + 1) found.push(`${what} is cut off`);
    }
    return found;
  });
  assert.deepEqual(wrong, [], what);
}

test('without a broker', async () => {
  server = await stage.startServer(address);
  browser = await openBrowser({viewport: kDesktop});
  await page().goto(server.address);
  await says(/waiting for the broker/i, /framering-broker/);
  await keep('no-broker');
});

test('with a broker, and no producer', async () => {
  broker = await stage.startBroker();
  await says(/waiting for the producer/i, /framering-producer/);
  await keep('no-producer');
});

test('live, in each way', async () => {
  await stage.startProducer({options: []});  // 1280x720
  for (const way of ['webcodecs', 'mse', 'mjpeg']) {
    await choose(page(), way);
    await playing(page(), way);
    await sleep(kChart_ms);
    assert.equal(await page().locator('#stage .notice').isVisible(), false);
    assert.equal(await status(), 'live');
    await fits(way);
    await keep(`live-${way}`);
  }
  await choose(page(), 'auto');
  await playing(page(), 'webcodecs');
});

test('dark', async () => {
  await page().emulateMedia({colorScheme: 'dark'});
  await sleep(kChart_ms);
  await keep('live-dark');
  await page().emulateMedia({colorScheme: 'light'});
});

test('no HDMI signal', async () => {
  await stage.fault('no_signal');
  await says(/no HDMI signal/i, /cable/);
  await keep('no-signal');
  await page().emulateMedia({colorScheme: 'dark'});
  await keep('no-signal-dark');
  await page().emulateMedia({colorScheme: 'light'});
  await stage.fault('ok');
  await playing(page(), 'webcodecs');
});

test('unsupported resolution', async () => {
  await stage.fault('unsupported_resolution');
  await says(/resolution not supported/i, /another resolution/);
  await keep('unsupported-resolution');
  await stage.fault('ok');
  await playing(page(), 'webcodecs');
});

test('encoder restarting', async () => {
  await stage.fault('encoder_error', '100000');
  await says(/encoder restarting/i, /comes back by itself/);
  await keep('encoder-restarting');
  await stage.fault('ok');
  await playing(page(), 'webcodecs');
});

test('another resolution: goes on in the new size', async () => {
  await choose(page(), 'mse');
  await playing(page(), 'mse');
  const small = '640x480', large = '1280x720';
  for (const [size, way] of [[small, 'mse'], [large, 'mse'], [small, 'webcodecs'], [large, 'webcodecs']]) {
    await choose(page(), way);
    await playing(page(), way);
    await stage.fault('resolution', size);
    await until(async () => {
      const {width, height} = await facts(page());
      return `${width}x${height}` === size;
    }, 30, `${size} by ${way}`);
  }
  await choose(page(), 'auto');
});

test('the server is away', async () => {
  await stage.stop(server, 'SIGKILL');
  await says(/no connection to this server/i, /comes back by itself/);
  await keep('no-server');
  server = await stage.startServer(address);
  await playing(page(), 'webcodecs');
});

test('full screen, by the keyboard', async () => {
  await page().keyboard.press('f');
  await until(() => page().evaluate(() => document.fullscreenElement?.id === 'stage'), 30, 'full screen');
  await keep('full-screen');
  await page().keyboard.press('f');
  await until(() => page().evaluate(() => !document.fullscreenElement), 30, 'the window again');
});

test('a phone, upright and lying', async () => {
  await page().setViewportSize(kPhone);
  await sleep(kChart_ms);
  await fits('upright');
  await keep('phone');
  await page().emulateMedia({colorScheme: 'dark'});
  await keep('phone-dark');
  await page().setViewportSize({width: kPhone.height, height: kPhone.width});
  await sleep(1000);
  await fits('lying');
  await keep('phone-lying');
  await page().emulateMedia({colorScheme: 'light'});
});

test('tiles: every stream plays, or says why not; those out of view rest', async () => {
  const controls = [];
  for (const stream of ['lab/left', 'lab/right', 'workshop', 'yard']) {
    const control = join(stage.folder, stream.replace('/', '-'));
    controls.push(control);
    await stage.startProducer({stream, control, options: ['--width', '640', '--height', '384', '--fps', '15']});
  }
  await page().setViewportSize(kDesktop);
  stage.control = controls[2];
  await stage.fault('no_signal');
  await page().goto(server.address + 'tiles.html');
  const live = ['hdmi', 'lab/left', 'lab/right', 'yard'];
  await until(async () => {
    const all = await facts(page());
    return live.every((name) => all[name]?.frames > 10) && all.workshop?.state === 'no_signal';
  }, 60, 'all tiles').catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await facts(page()))}`);
  });
  await sleep(1500);
  await fits('tiles');
  await keep('tiles');
  await page().emulateMedia({colorScheme: 'dark'});
  await keep('tiles-dark');
  await page().emulateMedia({colorScheme: 'light'});

  await page().setViewportSize(kPhone);
  await until(async () => (await facts(page())).yard.paused, 30, 'the last tile is out of view, and rests');
  await sleep(1000);
  const before = (await facts(page())).yard.bytes;
  await sleep(1500);
  assert.equal((await facts(page())).yard.bytes, before);
  await fits('tiles on a phone');
  await keep('tiles-phone');

  await page().getByRole('link', {name: /yard/}).focus();
  await page().keyboard.press('Enter');
  await page().waitForURL(/stream=yard/);
  await until(async () => (await facts(page())).stream === 'yard/h264', 30, 'that stream alone');
});

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
