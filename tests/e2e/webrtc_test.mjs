// SPDX-License-Identifier: Apache-2.0
//
// framering-webrtc and a real Chromium: WHEP from the offer to the picture. Prints TAP.
import assert from 'node:assert/strict';
import {spawn, spawnSync} from 'node:child_process';
import {existsSync} from 'node:fs';
import {mkdir, readFile} from 'node:fs/promises';
import {networkInterfaces} from 'node:os';
import {dirname, join} from 'node:path';
import {measureAgain, openBrowser, runTests, sleep, test, tryAgain, until} from './browser.mjs';
import {checkPictures, kArtifacts, playing, watch as watchViewer} from './stage.mjs';
import {brightness, checkComplete, forget, kPicture, median, pictures, video, watch, WebrtcStage} from './webrtc_stage.mjs';

const kUdpPorts = '24100-24131';
const stage = await new WebrtcStage().open();
let producer;
let server;
let browser;
const page = () => browser.page;
const viewers = async () => (await (await fetch(server.address + 'healthz')).json()).viewers;

// An offer as Chromium makes it, after `change`; the peer stays in window.peers.
const offer = (change = '(sdp) => sdp') => page().evaluate(async (code) => {
  const peer = new RTCPeerConnection();
  (window.peers ??= []).push(peer);
  peer.addTransceiver('audio', {direction: 'recvonly'});
  peer.addTransceiver('video', {direction: 'recvonly'});
  await peer.setLocalDescription();
  return eval(code)(peer.localDescription.sdp);
}, change);
const post = (body, {stream = 'hdmi/h264', type = 'application/sdp', headers = {}} = {}) =>
  fetch(`${server.address}whep/${stream}`, {method: 'POST', headers: {'Content-Type': type, ...headers}, body});
const closeAll = () => page().evaluate(() => window.peers.splice(0).forEach((peer) => peer.close()));

test('a viewer sees pixels and the barcode, and no picture is missing', async () => {
  await stage.startBroker();
  producer = await stage.startProducer({options: [...kPicture, '--fps', '30']});
  server = await stage.startWebrtc('--udp-ports', kUdpPorts);
  browser = await openBrowser();
  await page().goto(server.address);
  await watch(page());
  await page().evaluate(() => window.player.play('hdmi/h264'));
  await until(async () => (await pictures(page())).length > 20, 15, 'pictures').catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(await video(page()))}\n${server.log}`);
  });
  const seen = await tryAgain(async () => {
    await forget(page());
    await sleep(4000);
    const list = await pictures(page());
    assert(list.length > 60, `only ${list.length} pictures in 4 s`);
    checkComplete(list, 'WHEP');
    return list;
  });
  const {videoWidth, videoHeight} = await video(page());
  assert.deepEqual([videoWidth, videoHeight], [640, 384]);
  const [darkest, brightest] = await brightness(page());
  assert(brightest - darkest > 100, `the video is ${darkest}..${brightest} bright`);
  const presented = await page().evaluate(() => window.presented.filter(({number}) => number !== undefined).length);
  assert(presented > 10, `the <video> showed ${presented} pictures`);
  const ages = seen.map(({drawn, seen: at}) => at - drawn);
  console.log(`# ${seen.length} pictures in 4 s, none missing, ${median(ages).toFixed(0)} ms old (median)`);
  await mkdir(kArtifacts, {recursive: true});
  await page().screenshot({path: join(kArtifacts, 'webrtc-player.png')});
  assert.deepEqual(page().problems, []);
});

test('the answer: an SSRC, the delay extension, RTX, host candidates in the port range, audio refused', async () => {
  const response = await post(await offer());
  const answer = await response.text();
  assert.equal(response.status, 201, answer);
  assert.match(response.headers.get('location'), /^\/session\/[0-9a-f]{32}$/);
  assert.match(response.headers.get('etag'), /^"\d+"$/);
  assert.equal(response.headers.get('link'), null);
  assert.match(answer, /^m=audio 0 /m);
  assert.match(answer, /^m=video 9 UDP\/TLS\/RTP\/SAVPF \d+ \d+/m);
  assert.match(answer, /^a=sendonly\r$/m);
  assert.match(answer, /^a=ssrc:[1-9]\d* /m);
  assert.match(answer, /^a=ssrc-group:FID [1-9]\d* [1-9]\d*\r$/m);
  assert.match(answer, /^a=rtpmap:\d+ rtx\/90000\r$/m);
  assert.match(answer, /^a=rtcp-fb:\d+ nack pli\r$/m);
  assert.match(answer, /^a=rtcp-fb:\d+ ccm fir\r$/m);
  assert.match(answer, /^a=extmap:\d+ http:\/\/www.webrtc.org\/experiments\/rtp-hdrext\/playout-delay\r$/m);
  const candidates = answer.match(/^a=candidate:.*$/gm).map((line) => line.split(' '));
  const [first, last] = kUdpPorts.split('-').map(Number);
  for (const words of candidates) {
    assert.equal(words[7], 'host');
    assert.match(words[2], /^UDP$/i);
    assert(Number(words[5]) >= first && Number(words[5]) <= last, `port ${words[5]}`);
  }
  // Chromium takes it as an answer to its own offer.
  await page().evaluate((sdp) => window.peers.at(-1).setRemoteDescription({type: 'answer', sdp}), answer);
  await closeAll();
  assert.equal((await fetch(new URL(response.headers.get('location'), server.address), {method: 'DELETE'})).status, 200);
});

test('the format is the stream\'s profile, also where the viewer likes others better', async () => {
  const response = await post(await offer());
  const answer = await response.text();
  assert.equal(response.status, 201, answer);
  assert.match(answer, /^a=fmtp:\d+ .*profile-level-id=42[0-9a-f]{4}/m);  // what the stand-in encodes
  await closeAll();
  // One profile only, which is not the stream's: what is offered is taken, not answered with another.
  const high = await offer(`(sdp) => {
    const types = [...sdp.matchAll(/a=fmtp:(\\d+) .*packetization-mode=1;profile-level-id=64/g)].map((match) => match[1]);
    return types.length ? sdp.replace(/(m=video \\d+ \\S+ ).*/, '$1' + types.join(' ')) : '';
  }`);
  if (high) {
    const response = await post(high);
    const text = await response.text();
    assert.equal(response.status, 201, text);
    assert.match(text, /profile-level-id=64/);
  }
  await closeAll();
});

test('a viewer that begins late sees a picture at once, from the ring\'s newest key frame', async () => {
  const other = await openBrowser();
  await other.page.goto(server.address);
  await watch(other.page);
  const took = await other.page.evaluate(async () => {
    await window.player.play('hdmi/h264');
    const video = document.querySelector('video');
    await new Promise((done) => video.requestVideoFrameCallback(done));
    return performance.now() - window.player.posted;
  });
  console.log(`# the first picture came ${took.toFixed(0)} ms after the POST`);
  assert(took < 5000);
  await other.close();
});

test('a lost picture becomes a key-frame request', async () => {
  await page().evaluate(() => window.player.play('hdmi/h264'));
  const before = (await stage.stat('hdmi/h264')).key_requests_wanted;
  await until(async () => {
    await page().evaluate(async () => {
      // A new decoder, in the middle of things: MediaRecorder makes the receiver ask for a key frame.
      const [{receiver}] = window.player.peer.getTransceivers();
      const recorder = new MediaRecorder(new MediaStream([receiver.track]));
      recorder.start();
      await new Promise((done) => setTimeout(done, 100));
      recorder.stop();
    });
    return (await stage.stat('hdmi/h264')).key_requests_wanted > before;
  }, 15, 'a key-frame request in the ring');
});

test('it goes on after the producer was killed', async () => {
  const [child] = (await readFile(`/proc/${producer.pid}/task/${producer.pid}/children`, 'utf8')).trim().split(' ');
  process.kill(Number(child), 'SIGKILL');
  const killed = Date.now();
  const back = await until(async () => (await pictures(page())).find(({drawn}) => drawn > killed), 15, 'pictures of its successor');
  console.log(`# back after ${back.seen - killed | 0} ms`);
  await tryAgain(async () => {
    await sleep(1000);
    await forget(page());
    await sleep(1000);
    checkComplete(await pictures(page()), 'the successor');
  });
});

const plugins = dirname(stage.path('consumers/gstreamer/libgstframering.so'));
const canEncode = existsSync(join(plugins, 'libgstframering.so')) && spawnSync('gst-launch-1.0', ['--version'], {timeout: 20_000}).status === 0;
test(`where no key frame is held, one is asked for at once${canEncode ? '' : ' # SKIP no GStreamer plugin or gst-launch'}`, async () => {
  if (!canEncode) return;
  // An encoder that makes key frames only when asked, and a ring that the first one has left.
  const pipeline = 'videotestsrc is-live=true ! video/x-raw,width=320,height=240,framerate=30/1 ! openh264enc gop-size=100000 ! ' +
                   'h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! ' +
                   'framesink stream=cam/h264 history=100000';
  const env = {...stage.env, GST_PLUGIN_PATH: plugins, GST_REGISTRY: join(stage.folder, 'gst-registry')};
  const producer = spawn('gst-launch-1.0', ['-q', ...pipeline.split(' ')], {env, stdio: 'ignore'});
  stage.programs.push(producer);
  await until(async () => (await stage.stat('cam/h264').catch(() => null))?.bytes_published > 150_000, 20, 'the first key frame is gone');
  const before = await stage.stat('cam/h264');
  assert.equal(before.newest_key, 1);
  await page().evaluate(() => window.player.play('cam/h264'));
  await until(async () => {
    const [darkest, brightest] = await brightness(page());
    return (await video(page())).videoWidth === 320 && brightest - darkest > 100;
  }, 10, 'a picture of that stream');
  assert((await stage.stat('cam/h264')).newest_key > 1);
  await page().evaluate(() => window.player.play('hdmi/h264'));
  await stage.stop(producer);
});

const canTrace = spawnSync('strace', ['-o', '/dev/null', 'true'], {timeout: 10_000}).status === 0;
test(`in LAN mode, nobody but the viewer is talked to${canTrace ? '' : ' # SKIP no strace here'}`, async () => {
  if (!canTrace) return;
  const file = join(stage.folder, 'trace');
  const trace = spawn('strace', ['-f', '-p', String(server.pid), '-e', 'trace=connect,sendto,sendmsg,sendmmsg', '-o', file],
                      {stdio: ['ignore', 'ignore', 'pipe']});
  stage.programs.push(trace);
  let said = '';
  trace.stderr.on('data', (data) => { said += data; });
  await until(() => /attached/.test(said), 10, 'strace is attached');
  await page().evaluate(() => window.player.play('hdmi/h264'));
  await until(async () => (await video(page())).state === 'connected', 20, 'connected');
  await sleep(1000);
  await stage.stop(trace);
  const told = await readFile(file, 'utf8');
  const to = new Set([...told.matchAll(/inet_(?:addr\("|pton\(AF_INET6, ")([^"]+)"/g)].map((match) => match[1]));
  const own = new Set(Object.values(networkInterfaces()).flat().map(({address}) => address));
  assert(to.size > 0, 'media was traced');
  assert.deepEqual([...to].filter((address) => !own.has(address)), [], 'only this host is sent to');
});

test('the viewer page of framering-websocket plays it first, from another port', async () => {
  const {port} = new URL(server.address);
  const websocket = await stage.startServer('127.0.0.1:0', ['--whep', `:${port}/whep/{stream}`]);
  const other = await openBrowser();
  await other.page.goto(websocket.address);
  await watchViewer(other.page);
  await playing(other.page, 'webrtc');
  await checkPictures(other.page, 'viewer page', {seconds: 2, fps: 15});
  assert.deepEqual(other.page.problems, []);
  await other.page.screenshot({path: join(kArtifacts, 'webrtc-viewer.png')});
  await other.close();
  await stage.stop(websocket);
});

test('a page that vanished is forgotten within 15 s', () => measureAgain(async () => {
  const other = await openBrowser();
  await other.page.goto(server.address);
  await watch(other.page);
  await other.page.evaluate(() => window.player.play('hdmi/h264'));
  await until(async () => (await pictures(other.page)).length > 5, 15, 'pictures');
  await page().evaluate(() => window.player.stop());
  await until(async () => await viewers() === 1, 20, 'only that one is left');
  await other.close();  // without a word
  const closed = Date.now();
  await until(async () => await viewers() === 0, 60, 'it is forgotten');
  const took = (Date.now() - closed) / 1000;
  console.log(`# forgotten after ${took.toFixed(1)} s`);
  return took;
}, 15, 'forgotten after so many seconds', 3));

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
