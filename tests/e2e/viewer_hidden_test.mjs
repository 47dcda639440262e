// SPDX-License-Identifier: Apache-2.0
//
// A tab that nobody sees costs nothing, and comes back at once: in headed Chromium under Xvfb
// another tab is brought to the front; the hidden one receives no frame, and the encoder rests. On
// return the present is shown. Prints TAP.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {join} from 'node:path';
import {chromium} from 'playwright-core';
import {runTests, sleep, startChromium, test, until, writeDownProblems} from './browser.mjs';
import {choose, facts, forgetPictures, pictures, playing, Stage, watch} from './stage.mjs';

const kHidden_s = 2;
const kSettled_s = 0.5;  // so long without a frame: what was on its way has come, and the encoder rests
const kReturn_ms = 200;
const kReturns = 20;  // a machine that others use too is late now and then, but not every time

const stage = await new Stage().open();
let screen;
let browser;
let server;
let other;
const page = () => browser.page;

async function openScreen() {
  screen = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '1400x1000x24', '-nolisten', 'tcp'],
                 {stdio: ['ignore', 'ignore', 'ignore', 'pipe']});
  let told = '';
  screen.stdio[3].on('data', (data) => { told += data; });
  await until(() => told.endsWith('\n'), 30, 'an X display');
  return `:${told.trim()}`;
}

// A browser of our own that Playwright only talks to, without its defaults: those that it starts
// itself make every page believe that it is in front.
async function openHeadedBrowser(display) {
  const env = {...process.env, DISPLAY: display};
  const {child, endpoint} = await startChromium(join(stage.folder, 'profile'), env);
  stage.programs.push(child);
  const connected = await chromium.connectOverCDP(endpoint, {noDefaults: true});
  const context = connected.contexts()[0];
  return {context, page: writeDownProblems(context.pages()[0]), close: () => connected.close()};
}

// What the server gave to all viewers, and what was put into the rings: in frames.
async function counters() {
  const metrics = await (await fetch(server.address + 'metrics')).text();
  const sent = [...metrics.matchAll(/^framering_websocket_frames_sent_total\{.*\} (\d+)$/gm)];
  assert(sent.length > 0, metrics);
  const {streams} = await (await fetch(server.address + 'api/streams')).json();
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  return {sent: sum(sent.map(([, number]) => Number(number))), encoded: sum(streams.map(({frames}) => frames))};
}

// As they are once they have stopped.
async function settled() {
  for (let before = await counters(), left = 60; left > 0; --left) {
    await sleep(kSettled_s * 1000);
    const now = await counters();
    if (now.sent === before.sent && now.encoded === before.encoded) return now;
    before = now;
  }
  throw new Error('frames do not stop');
}

const hidden = () => page().evaluate(() => document.hidden);

// Ends a hiding, or makes a short one first. How long after the return a picture is seen that was
// drawn after it, in ms.
async function comeBack(way) {
  if (!await hidden()) {
    await other.bringToFront();
    await until(hidden, 30, 'the tab is hidden again');
    await sleep(1000);
  }
  await forgetPictures(page());
  await page().evaluate(() => { window.returned = undefined; });
  await page().bringToFront();
  const returned = await until(() => page().evaluate(() => window.returned), 30, 'the tab is back');
  const ofPresent = ({drawn, seen}) => drawn >= returned && seen >= returned;
  await until(async () => (await pictures(page())).filter(ofPresent).length > 5, 30, 'pictures');
  const seen = (await pictures(page())).filter((picture) => picture.seen >= returned);
  const present = seen.find(ofPresent);
  const took = present.seen - returned;
  const first = (seen[0].seen - returned).toFixed(0);
  console.log(`# ${way}: first picture ${first} ms after the return; one that was drawn after the return, ` +
              `after ${took.toFixed(0)} ms`);
  assert(seen.every(({number}) => number !== undefined), 'every picture is whole');
  return took;
}

test('headed Chromium shows the page, and a second tab', async () => {
  const display = await openScreen();
  await stage.startBroker();
  await stage.startProducer({options: ['--width', '640', '--height', '384', '--fps', '30', '--gop', '60']});
  server = await stage.startServer();
  browser = await openHeadedBrowser(display);
  await page().goto(server.address);
  await watch(page());
  await playing(page(), 'webcodecs');
  await page().evaluate(() => {
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) window.returned = performance.timeOrigin + performance.now();
    });
  });
  other = await browser.context.newPage();
  await page().bringToFront();
  await until(async () => !await hidden(), 30, 'the first tab in front');
});

for (const way of ['webcodecs', 'mse', 'mjpeg']) {
  test(`${way}: hidden, it receives no frame and the encoder rests`, async () => {
    await choose(page(), way);
    await playing(page(), way);
    await other.bringToFront();
    await until(hidden, 30, 'the tab is hidden');
    const served = await settled();
    const before = await facts(page());
    await sleep(kHidden_s * 1000);
    const after = await facts(page());
    assert.equal(after.paused, true);
    assert.equal(after.bytes, before.bytes, 'bytes of frames while it was hidden');
    assert.equal(after.frames, before.frames);
    assert.equal((await counters()).sent, served.sent, 'frames that the server sent');
    assert.equal((await counters()).encoded, served.encoded, 'frames that were encoded');
  });

  test(`${way}: back in front, it shows the present within ${kReturn_ms} ms`, async () => {
    const took = [];
    do {
      took.push(await comeBack(way));
    } while (took.at(-1) > kReturn_ms && took.length < kReturns);
    assert(took.at(-1) <= kReturn_ms, `the present is shown after ${took} ms`);
  });
}

test('nothing went wrong in the page', () => assert.deepEqual(page().problems, []));

await runTests(async () => {
  await browser?.close();
  await stage.close();
  screen?.kill('SIGTERM');
});
