// SPDX-License-Identifier: Apache-2.0
//
// The viewer page goes on by itself: the server is killed and started again, the producer and the
// broker too. Prints TAP.
import assert from 'node:assert/strict';
import {readFile} from 'node:fs/promises';
import {openBrowser, runTests, sleep, test, until} from './browser.mjs';
import {choose, facts, forgetPictures, freePort, pictures, playing, Stage, watch} from './stage.mjs';

const kBack_ms = 1000;
const stage = await new Stage().open();
const address = `127.0.0.1:${await freePort()}`;
let broker;
let server;
let producer;
let browser;
const page = () => browser.page;

// How long after `since` (Date.now()) a picture that was drawn after it is shown.
async function backAfter(since) {
  const back = await until(async () => (await pictures(page())).find(({drawn, seen}) => drawn > since && seen > since),
                           10, 'the picture is back');
  return back.seen - since;
}

test('the page plays', async () => {
  broker = await stage.startBroker();
  producer = await stage.startProducer({options: ['--width', '640', '--height', '384', '--fps', '30']});
  server = await stage.startServer(address);
  browser = await openBrowser();
  await page().goto(server.address);
  await watch(page());
  await playing(page(), 'webcodecs');
});

for (const way of ['webcodecs', 'mse', 'mjpeg']) {
  for (const away_s of [0.2, 6]) {
    test(`${way}: the server is killed and ${away_s} s away: the picture is back within 1 s of its return`, async () => {
      await choose(page(), way);
      await playing(page(), way);
      await stage.stop(server, 'SIGKILL');
      await sleep(away_s * 1000);
      if (away_s > 1) assert.equal((await facts(page())).state, 'unreachable');
      await forgetPictures(page());
      const returned = Date.now();
      server = await stage.startServer(address);
      const listening = Date.now() - returned;
      const took = await backAfter(returned);
      console.log(`# ${way}: picture ${took.toFixed(0)} ms after the server was started, ` +
                  `which took ${listening} ms until it listened`);
      assert(took <= kBack_ms, `the picture was back after ${took} ms`);
      await playing(page(), way, 5);
    });
  }
}

for (const way of ['webcodecs', 'mse', 'mjpeg']) {
  test(`${way}: the producer is killed: the picture comes back`, async () => {
    await choose(page(), way);
    await playing(page(), way);
    const [child] = (await readFile(`/proc/${producer.pid}/task/${producer.pid}/children`, 'utf8')).trim().split(' ');
    await forgetPictures(page());
    process.kill(Number(child), 'SIGKILL');
    const took = await backAfter(Date.now());
    console.log(`# ${way}: picture ${took.toFixed(0)} ms after the producer was killed`);
    await playing(page(), way, 5);
  });
}

test('the broker is killed: the picture goes on, and after its return too', async () => {
  await choose(page(), 'webcodecs');
  await playing(page(), 'webcodecs');
  await stage.stop(broker, 'SIGKILL');
  await forgetPictures(page());
  await sleep(1000);
  assert((await pictures(page())).length > 15, 'pictures without a broker');
  broker = await stage.startBroker();
  await sleep(1000);
  await forgetPictures(page());
  await sleep(1000);
  assert((await pictures(page())).length > 15, 'pictures after the return');
});

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
