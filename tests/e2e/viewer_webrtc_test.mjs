// SPDX-License-Identifier: Apache-2.0
//
// The viewer page as a WHEP client. The other end is Chromium's own WebRTC, in a second browser that
// plays the same stream and sends what its canvas shows. Its answers are given here, as if by a
// server at another port of the host. Prints TAP.
import assert from 'node:assert/strict';
import {openBrowser, runTests, test, until} from './browser.mjs';
import {
  checkPictures, facts, freePort, kMediamtx, kNoMediamtx, playing, Stage, watch,
} from './stage.mjs';

const stage = await new Stage().open();
const whep = `:${await freePort()}`;
const ended = [];
let server;
let browser;
let other;
let sender;
let refuse = false;
const page = () => browser.page;

// In the sending page: the answer to an offer, with all of its candidates.
async function answer(offer) {
  const peer = new RTCPeerConnection();
  (window.peers ??= []).push(peer);
  const [track] = document.querySelector('#stage canvas').captureStream().getVideoTracks();
  await peer.setRemoteDescription({type: 'offer', sdp: offer});
  const sending = peer.addTrack(track);
  await peer.setLocalDescription();
  const parameters = sending.getParameters();
  parameters.degradationPreference = 'maintain-resolution';
  await sending.setParameters(parameters);
  while (peer.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 10));
  return peer.localDescription.sdp;
}

async function serveWhep(route) {
  const request = route.request();
  const headers = {
    'Access-Control-Allow-Origin': '*', 'Access-Control-Allow-Headers': 'Content-Type',
    'Access-Control-Allow-Methods': 'OPTIONS, POST, DELETE', 'Access-Control-Expose-Headers': 'Location',
  };
  if (request.method() === 'OPTIONS') return route.fulfill({status: 204, headers});
  if (request.method() === 'DELETE') return ended.push(request.url()), route.fulfill({status: 200, headers});
  if (refuse) return route.fulfill({status: 503, body: 'full', headers});
  assert.equal(new URL(request.url()).pathname, '/whep/hdmi/h264');
  assert.equal(request.headers()['content-type'], 'application/sdp');
  const body = await sender.evaluate(answer, request.postData());
  headers.Location = '/whep/session/1';
  route.fulfill({status: 201, contentType: 'application/sdp', headers, body});
}

test('with an address that answers, WebRTC is chosen, and plays', async () => {
  ({server, browser: other} = await stage.play('127.0.0.1:0', ['--whep', `${whep}/whep/{stream}`]));
  sender = other.page;
  browser = await openBrowser();  // in front, too: a page behind another hardly paints

  await page().route(`http://127.0.0.1${whep}/**`, serveWhep);
  await page().goto(server.address);
  await watch(page());
  await playing(page(), 'webrtc');
  assert.equal(await page().locator('input[name=way][value=webrtc]').locator('..').isVisible(), true);
  await checkPictures(page(), 'webrtc', {fps: 15});
  assert((await facts(page())).bytes > 0);
  assert.deepEqual(page().problems, []);
});

test('a lost connection is made again', async () => {
  const before = (await facts(page())).frames;
  await sender.evaluate(() => window.peers.forEach((peer) => peer.close()));
  await until(async () => ended.length > 0, 30, 'the session was ended');
  const lost = (await facts(page())).frames;
  assert(lost >= before);
  await until(async () => (await facts(page())).frames > lost + 20, 30, 'pictures again');
});

test('where it is refused, the next best way is taken', async () => {
  refuse = true;
  await sender.evaluate(() => window.peers.forEach((peer) => peer.close()));
  await playing(page(), 'webcodecs', 40);
});

// A real WHEP server of others; webrtc_test.mjs has our own.
if (kMediamtx) {
  test('MediaMTX, as in the recipe: WebRTC is chosen, and plays', async () => {
    const options = ['--whep', await stage.startMediamtx('127.0.0.1')];
    await page().goto((await stage.startServer('127.0.0.1:0', options)).address);
    await watch(page());
    await playing(page(), 'webrtc', 60);
    await checkPictures(page(), 'webrtc of MediaMTX', {fps: 20});
  });
} else {
  console.log(`# ${kNoMediamtx}`);
}

await runTests(async () => {
  await browser?.close();
  await other?.close();
  await stage.close();
});
