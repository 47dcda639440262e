// SPDX-License-Identifier: Apache-2.0
//
// The viewer page goes on by itself: the server is killed and started again, the producer and the
// broker too. Prints TAP.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {runTests, sleep, test, until} from './browser.mjs';
import {choose, facts, forgetPictures, freePort, pictures, playing, Stage} from './stage.mjs';

const kBack_ms = 1000;
const kAttempts = 8;  // a machine that others use too is late now and then, but not every time
const kLong = Number(process.env.FRAMERING_E2E_SECONDS ?? 0) > 0;
// How long the server is away: back before the page asks again, and after browsers have become slow
// to try.
const kAway_s = kLong ? {webcodecs: [0.2, 6], mse: [0.2, 6], mjpeg: [0.2, 6]} :
                        {webcodecs: [0.2, 6], mse: [1.5], mjpeg: [1.5]};
const stage = await new Stage().open();
const address = `127.0.0.1:${await freePort()}`;
let broker;
let server;
let producer;
let browser;
const page = () => browser.page;

// How long after `since` (Date.now()) a picture that was drawn after it is shown.
async function backAfter(since) {
  const isNew = ({drawn, seen}) => drawn > since && seen > since;
  const back = await until(async () => (await pictures(page())).find(isNew), 30, 'the picture is back');
  return back.seen - since;
}

// Ends the server and starts it again: how long after the start a picture is back.
async function restartServer(signal, away_s) {
  await stage.stop(server, signal);
  await sleep(away_s * 1000);
  if (away_s > 1) await until(async () => (await facts(page())).state === 'unreachable', 20, 'it says so');
  await forgetPictures(page());
  const started = Date.now();
  server = await stage.startServer(address);
  const listening = Date.now() - started;
  const took = await backAfter(started);
  console.log(`# picture ${took.toFixed(0)} ms after the server was started, ` +
              `which took ${listening} ms until it listened`);
  return took;
}

async function comesBackSoon(way, signal, away_s) {
  await choose(page(), way);
  await playing(page(), way);
  const took = [];
  do {
    took.push(await restartServer(signal, away_s));
    await playing(page(), way);
  } while (took.at(-1) > kBack_ms && took.length < kAttempts);
  assert(took.at(-1) <= kBack_ms, `the picture was back after ${took} ms`);
}

test('the page plays', async () => {
  ({broker, producer, server, browser} = await stage.play(address));
});

for (const [way, times] of Object.entries(kAway_s)) {
  for (const away_s of times) {
    test(`${way}: the server is killed and ${away_s} s away: the picture is back within 1 s of its return`,
         () => comesBackSoon(way, 'SIGKILL', away_s));
  }
}

test('the server is asked to end, and says goodbye: the picture is back within 1 s of its return',
     () => comesBackSoon('webcodecs', 'SIGTERM', 0));

for (const way of ['webcodecs', 'mse', 'mjpeg']) {
  test(`${way}: the producer is killed: the picture comes back`, async () => {
    await choose(page(), way);
    await playing(page(), way);
    const children = `/proc/${producer.pid}/task/${producer.pid}/children`;
    const [child] = (await readFile(children, 'utf8')).trim().split(' ');
    await forgetPictures(page());
    process.kill(Number(child), 'SIGKILL');
    const took = await backAfter(Date.now());
    console.log(`# ${way}: picture ${took.toFixed(0)} ms after the producer was killed`);
    await playing(page(), way);
  });
}

async function goesOn(when) {
  await forgetPictures(page());
  await until(async () => (await pictures(page())).length > 15, 20, `pictures ${when}`);
}

test('the broker is killed: the picture goes on, and after its return too', async () => {
  await choose(page(), 'webcodecs');
  await playing(page(), 'webcodecs');
  await stage.stop(broker, 'SIGKILL');
  await goesOn('without a broker');
  broker = await stage.startBroker();
  await sleep(1000);
  await goesOn('after its return');
});

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
