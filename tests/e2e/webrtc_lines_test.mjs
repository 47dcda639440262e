// SPDX-License-Identifier: Apache-2.0
//
// Five viewers at once, each behind a line made here (a UDP relay in user space, its losses from a
// seed): three clean ones, one that loses 2 % of all packets, one that delays each by 80 ms. Then a sixth
// that asks for key frames 100 times a second. FRAMERING_E2E_SECONDS is how long each part lasts.
// Prints TAP.
import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {createSocket} from 'node:dgram';
import {existsSync} from 'node:fs';
import {openBrowser, runTests, sleep, test, tryAgain, until} from './browser.mjs';
import {checkComplete, kPicture, median, WebrtcStage} from './webrtc_stage.mjs';
import {readFile} from 'node:fs/promises';

const kSeconds = Number(process.env.FRAMERING_E2E_SECONDS ?? 4);
const kSeed = Number(process.env.FRAMERING_SEED ?? 20240607);
const kFps = 30;
const kLines = [
  {name: 'clean 1'}, {name: 'clean 2'}, {name: 'clean 3'},
  {name: '2 % loss', loss: 0.02}, {name: '80 ms delay', delay_ms: 80},
];
const kViewer = process.env.FRAMERING_WHEP_VIEWER ?? '';
const stage = await new WebrtcStage().open();
const relays = [];
let server;
let browser;
const page = () => browser.page;

// mulberry32
function random(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

// Passes packets between a browser, which only knows this relay, and the server at `to`; ICE makes
// nothing of it, as addresses are no part of what it signs.
async function relay(host, to, {loss = 0, delay_ms = 0}, seed) {
  const chance = random(seed);
  const [front, back] = [createSocket('udp4'), createSocket('udp4')];
  const counts = {passed: 0, lost: 0};
  let browserAt = null;
  const pass = (data, socket, port, address) => {
    if (chance() < loss) return ++counts.lost;
    ++counts.passed;
    const send = () => { try { socket.send(data, port, address); } catch { /* closed meanwhile */ } };
    if (delay_ms) setTimeout(send, delay_ms);
    else send();
  };
  front.on('message', (data, from) => {
    browserAt = from;
    pass(data, back, to.port, to.address);
  });
  back.on('message', (data) => { if (browserAt) pass(data, front, browserAt.port, browserAt.address); });
  await Promise.all([front, back].map((socket) => new Promise((done) => socket.bind(0, host, done))));
  relays.push(front, back);
  return {port: front.address().port, counts};
}

// A viewer in the page, behind a line: its pictures go to window.lines[index].
async function view(index) {
  const offer = await page().evaluate(async (at) => {
    const line = (window.lines ??= [])[at] = {pictures: [], peer: new RTCPeerConnection(), video: document.createElement('video')};
    line.receiver = line.peer.addTransceiver('video', {direction: 'recvonly'}).receiver;
    line.receiver.jitterBufferTarget = 0;
    await line.peer.setLocalDescription();
    return line.peer.localDescription.sdp;
  }, index);
  const response = await fetch(server.address + 'whep/hdmi/h264', {
    method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: offer.replace(/a=candidate:.*\r\n/g, ''),
  });
  const answer = await response.text();
  assert.equal(response.status, 201, answer);
  const [, address, port] = /^a=candidate:\S+ 1 UDP \d+ (\d+\.\d+\.\d+\.\d+) (\d+) typ host/m.exec(answer);
  const line = kLines[index];
  line.relay = await relay(address, {address, port: Number(port)}, line, kSeed + index);
  const through = answer.replace(/a=candidate:.*\r\n/g, '')
                      .replace('a=end-of-candidates', `a=candidate:1 1 UDP 2015363327 ${address} ${line.relay.port} typ host\r\na=end-of-candidates`);
  await page().evaluate(async ([at, sdp]) => {
    const here = window.lines[at];
    await here.peer.setRemoteDescription({type: 'answer', sdp});
    Object.assign(here.video, {muted: true, autoplay: true, srcObject: new MediaStream([here.receiver.track])});
    document.body.append(here.video);
    const strip = new OffscreenCanvas(640, 32).getContext('2d', {willReadFrequently: true});
    const {readable} = new MediaStreamTrackProcessor({track: here.receiver.track.clone(), maxBufferSize: 60});
    (async () => {
      for await (const frame of readable) {
        strip.drawImage(frame, 0, 0);
        frame.close();
        const code = decodeBarcode(strip.getImageData(0, 0, 640, 32));
        here.pictures.push({number: code?.number, drawn: code?.timeMs, seen: performance.timeOrigin + performance.now()});
      }
    })();
  }, [index, through]);
}

const take = (index) => page().evaluate((at) => window.lines[at].pictures.splice(0), index);

// What all five show in the next seconds.
async function look(when) {
  for (const index of kLines.keys()) await take(index);
  await sleep(kSeconds * 1000);
  for (const [index, line] of kLines.entries()) {
    const seen = await take(index);
    const clean = !line.loss;
    assert(seen.length > kSeconds * kFps * (clean ? 0.7 : 0.3), `${when}, ${line.name}: only ${seen.length} pictures`);
    const numbers = seen.map(({number}) => number);
    if (clean) checkComplete(seen, `${when}, ${line.name}`);
    assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), `${when}, ${line.name}: numbers go up`);
    const age = median(seen.map(({drawn, seen: at}) => at - drawn));
    if (line.delay_ms) assert(age >= line.delay_ms, `${when}, ${line.name}: ${age} ms old`);
    console.log(`# ${when}, ${line.name.padEnd(11)}: ${seen.length} pictures, ` +
                `${numbers.at(-1) - numbers[0] + 1 - seen.length} missing, ${age.toFixed(0)} ms old (median); ` +
                `relay passed ${line.relay.counts.passed}, lost ${line.relay.counts.lost}`);
  }
}

test('five viewers play, and the clean lines lose nothing', async () => {
  console.log(`# seed ${kSeed}`);
  await stage.startBroker();
  await stage.startProducer({options: [...kPicture, '--fps', String(kFps)]});
  server = await stage.startWebrtc();
  browser = await openBrowser();
  await page().goto(server.address);
  const decoder = await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url), 'utf8');
  await page().addScriptTag({content: decoder.replace(/^export /gm, '') + '\nwindow.decodeBarcode = decodeBarcode;'});
  for (const index of kLines.keys()) await view(index);
  await until(() => page().evaluate(() => window.lines.every(({pictures}) => pictures.length > 20)), 30, 'all five play');
  await sleep(1000);
  await tryAgain(() => look('five'));
  const lossy = kLines.find(({loss}) => loss).relay.counts;
  assert(lossy.lost > 0);
});

test('the ring was read once for all of them', async () => {
  assert.equal((await stage.stat('hdmi/h264')).readers.length, 1);
});

test('lost packets were sent again (RTX)', async () => {
  const again = await page().evaluate(async (at) => {
    for (const report of (await window.lines[at].receiver.getStats()).values()) {
      if (report.type === 'inbound-rtp') return {nacks: report.nackCount, again: report.retransmittedPacketsReceived};
    }
    return null;
  }, kLines.findIndex(({loss}) => loss));
  assert(again.nacks > 0 && again.again > 0, JSON.stringify(again));
  console.log(`# ${again.nacks} NACKs, ${again.again} packets again`);
});

test(`a sixth that asks for key frames 100 times a second changes nothing for the rest${existsSync(kViewer) ? '' : ' # SKIP no whep_viewer'}`, async () => {
  if (!existsSync(kViewer)) return;
  await tryAgain(storm);
});

async function storm() {
  const before = await stage.stat('hdmi/h264');
  const storming = spawn(kViewer, ['-url', server.address + 'whep/hdmi/h264', '-key-requests', '100', '-seconds', String(kSeconds + 3)],
                      {stdio: ['ignore', 'pipe', 'pipe']});
  const began = Date.now();
  let said = '', output = '';
  storming.stderr.on('data', (data) => { said += data; });
  storming.stdout.on('data', (data) => { output += data; });
  await until(() => /connected/.test(said), 20, 'the sixth is connected');
  await sleep(1000);
  const seen = look('storm').then(() => null, (error) => error);
  await until(() => storming.exitCode !== null, 20, 'it has ended');
  assert.equal(storming.exitCode, 0, said);
  const error = await seen;
  if (error) throw error;
  const [sixth] = JSON.parse(output);
  const granted = (await stage.stat('hdmi/h264')).key_requests_granted - before.key_requests_granted;
  console.log(`# the sixth asked ${sixth.asked} times; the encoder was asked ${granted} times`);
  assert(sixth.asked > 50 * kSeconds);
  const lasted = (Date.now() - began) / 1000;
  assert(granted >= 1 && granted <= 2 * (lasted + 2), `${granted} key frames in ${lasted} s`);
}

await runTests(async () => {
  await browser?.close();
  for (const socket of relays) socket.close();
  await stage.close();
});
