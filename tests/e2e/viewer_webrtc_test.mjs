// SPDX-License-Identifier: Apache-2.0
//
// The viewer page as a WHEP client. The other end is Chromium's own WebRTC, in a second browser that
// plays the same stream and sends what its canvas shows; the address, which framering-websocket
// does not name by itself, is put into its answer here. Prints TAP.
import assert from 'node:assert/strict';
import {openBrowser, runTests, test, until} from './browser.mjs';
import {checkPictures, facts, playing, Stage, watch} from './stage.mjs';

const stage = await new Stage().open();
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
  if (request.method() === 'OPTIONS') return route.fulfill({status: 204});
  if (request.method() === 'DELETE') return ended.push(request.url()), route.fulfill({status: 200});
  if (refuse) return route.fulfill({status: 503, body: 'full'});
  assert.equal(request.headers()['content-type'], 'application/sdp');
  const body = await sender.evaluate(answer, request.postData());
  route.fulfill({status: 201, contentType: 'application/sdp', headers: {Location: '/whep/session/1'}, body});
}

test('with an address that answers, WebRTC is chosen, and plays', async () => {
  await stage.startBroker();
  await stage.startProducer({options: ['--width', '640', '--height', '384', '--fps', '30']});
  server = await stage.startServer();
  browser = await openBrowser();
  other = await openBrowser();  // in front, too: a page behind another hardly paints
  sender = other.page;
  await sender.goto(server.address + '?way=webcodecs');
  await playing(sender, 'webcodecs');

  await page().route('**/api/streams', async (route) => {
    const response = await route.fetch();
    route.fulfill({response, json: {...await response.json(), whep: '/whep/{stream}'}});
  });
  await page().route('**/whep/**', serveWhep);
  await page().goto(server.address);
  await watch(page());
  await playing(page(), 'webrtc');
  assert.equal(await page().locator('input[name=way][value=webrtc]').locator('..').isVisible(), true);
  await checkPictures(page(), 'webrtc', {seconds: 4, fps: 15});
  assert((await facts(page())).bytes > 0);
  assert.deepEqual(page().problems, []);
});

test('a lost connection is made again', async () => {
  const before = (await facts(page())).frames;
  await sender.evaluate(() => window.peers.forEach((peer) => peer.close()));
  await until(async () => ended.length > 0, 30, 'the session was ended');
  const lost = (await facts(page())).frames;
  assert(lost >= before);
  await until(async () => (await facts(page())).frames > lost + 20, 20, 'pictures again');
});

test('where it is refused, the next best way is taken', async () => {
  refuse = true;
  await sender.evaluate(() => window.peers.forEach((peer) => peer.close()));
  await playing(page(), 'webcodecs', 40);
});

await runTests(async () => {
  await browser?.close();
  await other?.close();
  await stage.close();
});
