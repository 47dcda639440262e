// SPDX-License-Identifier: Apache-2.0
//
// framering-webrtc and those who mean no good: what is no offer, sessions that are not theirs, pages of
// other sites, a stream that is not there; and viewers that come and go, half of them without a word.
// FRAMERING_WEBRTC_CYCLES=200 is the long form. Prints TAP.
import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {createHmac} from 'node:crypto';
import {readdir, readFile, writeFile} from 'node:fs/promises';
import {request} from 'node:http';
import {connect} from 'node:net';
import {openBrowser, runTests, sleep, test, until} from './browser.mjs';
import {forget, kPicture, pictures, watch, WebrtcStage} from './webrtc_stage.mjs';

const kCycles = Number(process.env.FRAMERING_WEBRTC_CYCLES ?? 10);
const kSecret = '0123456789abcdef0123456789abcdef';
const kSdp = 'application/sdp';
const kFragment = 'application/trickle-ice-sdpfrag';
const stage = await new WebrtcStage().open();
let server;
let browser;
const page = () => browser.page;
const health = async () => (await fetch(server.address + 'healthz')).json();

// fetch of Node forbids some headers.
const ask = (method, path, headers = {}, body = undefined, options = {}) => new Promise((done, fail) => {
  const sent = request(new URL(path, server.address), {method, headers, agent: false, ...options}, (response) => {
    let text = '';
    response.on('data', (data) => { text += data; });
    response.on('end', () => done({status: response.statusCode, headers: response.headers, text}));
  });
  sent.on('error', fail);
  sent.end(body);
});
const post = (body, {stream = 'hdmi/h264', type = kSdp, ...headers} = {}) =>
  ask('POST', `whep/${stream}`, {'Content-Type': type, ...headers}, body);

const offer = () => page().evaluate(async () => {
  const peer = new RTCPeerConnection();
  (window.peers ??= []).push(peer);
  peer.addTransceiver('video', {direction: 'recvonly'});
  await peer.setLocalDescription();
  return peer.localDescription.sdp;
});

async function refused(answer, status, words) {
  const {status: got, text} = await answer;
  assert.equal(got, status, text);
  if (words) assert.match(text, words);
}

test('a stream that is not there is refused, and so is one that is not H.264', async () => {
  server = await stage.startWebrtc();
  browser = await openBrowser();
  await page().goto(server.address);
  const body = await offer();
  await refused(post(body), 503, /broker/);
  await stage.startBroker();
  await until(async () => (await post(body)).status === 404, 10, 'without a producer: 404');
  await stage.startProducer({options: [...kPicture, '--fps', '30']});
  await refused(post(body, {stream: 'hdmi/mjpeg'}), 406, /H\.264/);
  await refused(post(body, {stream: '..%2fetc'}), 404);
  await until(async () => (await health()).viewers === 0, 15, 'nobody is left');
});

test('what is no offer is refused with a reason', async () => {
  const good = await offer();
  await refused(post('v=0', {type: 'text/plain'}), 415, /application\/sdp/);
  await refused(post(''), 400, /session description/);
  await refused(post('hello'), 400, /session description/);
  await refused(post('v=0\r\ns=-\r\n'), 400, /no video section/);
  await refused(post('\0'.repeat(3000)), 400);
  await refused(post(good + 'a=x\r\n'.repeat(20_000)), 413, /64 KiB/);
  await refused(post(good.replace(/a=fingerprint:.*\r\n/g, '')), 400, /fingerprint/);
  await refused(post(good.replace(/a=ice-pwd:.*/g, 'a=ice-pwd:x')), 400, /ice-pwd/);
  await refused(post(good.replace(/a=ice-ufrag:.*\r\n/g, '')), 400, /ice-ufrag/);
  await refused(post(good.replace(/a=setup:.*/g, 'a=setup:holdconn')), 400, /setup/);
  await refused(post(good.replaceAll('H264', 'H263')), 400, /H\.264/);
  await refused(post(good.replaceAll('recvonly', 'sendonly')), 400, /receive/);
  await refused(post(good.replaceAll('SAVPF', 'AVP')), 400, /SAVPF/);
  await refused(post(good + 'm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n'.repeat(40)), 400, /sections/);
  await refused(ask('GET', 'whep/hdmi/h264'), 405);
  await refused(ask('PUT', 'whep/hdmi/h264', {'Content-Type': kSdp}, good), 405);
  await refused(ask('GET', 'nothing'), 404, /whep/);
  assert.equal((await health()).viewers, 0);
});

test('bytes that are no HTTP, and connections that say nothing, end', async () => {
  const {hostname, port} = new URL(server.address);
  const say = (bytes) => new Promise((done) => {
    const socket = connect({host: hostname, port});
    let text = '';
    socket.on('data', (data) => { text += data; });
    socket.on('close', () => done(text));
    socket.on('error', () => done(text));
    socket.end(bytes);
  });
  assert.match(await say('\x16\x03\x01 hello\r\n\r\n'), /^HTTP\/1\.1 400 /);
  assert.match(await say(`POST /whep/x HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ${'a'.repeat(9000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  await say('POST /whep/hdmi/h264 HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n\r\nv=0');  // and no more
  assert.equal((await health()).status, 'ok');
});

test('hundreds of requests that never end keep nobody out', async () => {
  const {hostname, port} = new URL(server.address);
  const slow = [...Array(300).keys()].map((index) => {
    const socket = connect({host: hostname, port, localAddress: `127.0.2.${index % 5 + 1}`});
    socket.on('error', () => {}).write('POST /whep/hdmi/h264 HTTP/1.1\r\nHost: 127.0.0.1\r\n');
    return socket;
  });
  await until(() => slow.some(({closed}) => closed), 10, 'there is no place left');
  assert.equal((await ask('GET', 'healthz')).status, 200);  // on a connection of its own
  for (const socket of slow) socket.destroy();
});

test('PATCH: candidates of this session only, with its ETag; DELETE ends it once', async () => {
  const answer = await post(await offer());
  assert.equal(answer.status, 201, answer.text);
  const session = answer.headers.location.slice(1);
  const etag = answer.headers.etag;
  const ufrag = /a=ice-ufrag:(\S+)/.exec(await page().evaluate(() => window.peers.at(-1).localDescription.sdp))[1];
  const fragment = (extra = 'a=candidate:1 1 udp 1 127.0.0.1 40000 typ host\r\n', name = ufrag) =>
    `a=ice-ufrag:${name}\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\nm=video 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n${extra}`;
  const patch = (body, headers) => ask('PATCH', session, {'Content-Type': kFragment, 'If-Match': etag, ...headers}, body);
  assert.equal((await patch(fragment())).status, 204);
  assert.equal((await patch(fragment('a=end-of-candidates\r\n'))).status, 204);
  assert.equal((await patch(fragment('a=candidate:1 1 udp 1 evil.example 40000 typ host\r\n'))).status, 204);  // not asked
  await refused(patch(fragment(), {'If-Match': '"1"'}), 412);
  await refused(ask('PATCH', session, {'Content-Type': kFragment}, fragment()), 428);
  await refused(patch(fragment(), {'Content-Type': kSdp}), 415);
  await refused(patch(fragment(undefined, 'replayed')), 422, /restart/);  // ICE of another session
  await refused(patch(fragment(), {'If-Match': '*'}), 422, /restart/);
  await refused(patch('\x01\x02'), 400);
  await refused(patch(fragment('a=candidate:1 1 udp 1 127.0.0.1 40000 typ host\r\n'.repeat(100))), 429);
  await refused(ask('PATCH', 'session/0123', {'Content-Type': kFragment, 'If-Match': etag}, fragment()), 404);
  await refused(ask('GET', session), 405);
  assert.equal((await ask('DELETE', session)).status, 200);
  await refused(ask('DELETE', session), 404);
  await refused(patch(fragment()), 404);
  await refused(ask('DELETE', 'session/' + 'x'.repeat(5000)), 404);
});

test('CORS: pages of this host may, other sites may not', async () => {
  const {host} = new URL(server.address);
  const preflight = (origin, path = 'whep/hdmi/h264', headers = {}) => ask('OPTIONS', path, {Origin: origin, ...headers});
  const allowed = await preflight(`http://${new URL(server.address).hostname}:8080`);
  assert.equal(allowed.status, 204);
  assert.equal(allowed.headers['access-control-allow-origin'], 'http://127.0.0.1:8080');
  assert.match(allowed.headers['access-control-allow-methods'], /POST/);
  assert.match(allowed.headers['access-control-allow-headers'], /If-Match/);
  assert.match(allowed.headers['access-control-expose-headers'], /Location/);
  assert.equal(allowed.headers['accept-post'], kSdp);
  assert.match((await preflight(`http://${host}`, 'session/x')).headers['access-control-allow-methods'], /PATCH, DELETE/);
  await refused(preflight('https://evil.example'), 403, /--allow-origin/);
  await refused(post(await offer(), {Origin: 'https://evil.example'}), 403);
  await refused(post(await offer(), {Origin: 'null'}), 403);
  await refused(post(await offer(), {Host: 'evil.example'}), 403, /--host-name/);  // DNS rebinding
});

test('STUN and TURN stand in Link, and a token is asked for when one is set', async () => {
  await writeFile(stage.folder + '/secret', kSecret + '\n');
  const other = await stage.startWebrtc('--stun', 'stun:127.0.0.1:3478', '--turn', 'turn://u:p@127.0.0.1:3479',
                                        '--token-secret-file', stage.folder + '/secret');
  const old = server;
  server = other;
  try {
    const body = await offer();
    const stranger = await ask('OPTIONS', 'whep/hdmi/h264');
    assert.deepEqual([stranger.status, stranger.headers.link], [204, undefined]);  // no password for everybody
    await refused(post(body), 401, /Bearer/);
    await refused(post(body, {Authorization: 'Bearer x.y.z'}), 401);
    const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
    const claims = `${part({alg: 'HS256', typ: 'JWT'})}.${part({exp: Math.floor(Date.now() / 1000) + 60})}`;
    const signature = createHmac('sha256', kSecret).update(claims).digest('base64url');
    const friend = {Authorization: `Bearer ${claims}.${signature}`};
    const answer = await post(body, friend);
    assert.equal(answer.status, 201, answer.text);
    for (const {headers} of [answer, await ask('OPTIONS', 'whep/hdmi/h264', friend)])
      assert.equal(headers.link, '<stun:127.0.0.1:3478>; rel="ice-server", <turn:127.0.0.1:3479>; rel="ice-server"; ' +
                                 'username="u"; credential="p"; credential-type="password"');
  } finally {
    server = old;
    await stage.stop(other);
  }
});

test('viewers who come and go all the time, while descriptors are few, are refused', async () => {
  const old = server;
  server = await stage.startWebrtc();
  try {
    const body = await offer();
    execFileSync('prlimit', ['--pid', String(server.pid), '--nofile=400:400']);
    const statuses = {};
    const end = Date.now() + 3000;
    await Promise.all([...Array(8).keys()].map(async (index) => {
      const from = {localAddress: `127.0.1.${index + 1}`};  // each address may ask so often
      while (Date.now() < end) {
        const {status, headers} = await ask('POST', 'whep/hdmi/h264', {'Content-Type': kSdp}, body, from);
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (status === 201) await ask('DELETE', headers.location.slice(1), {}, undefined, from);
      }
    }));
    console.log(`# ${JSON.stringify(statuses)}`);
    assert(statuses[201] > 0 && statuses[503] > 0, JSON.stringify(statuses));
    await until(async () => (await post(body)).status === 201, 10, 'the next viewer is served');
    assert.equal(server.exitCode, null, server.log);
  } finally {
    await stage.stop(server);
    server = old;
  }
});

// What the server's process has: threads, descriptors, resident KiB.
async function resources() {
  const status = await readFile(`/proc/${server.pid}/status`, 'utf8');
  return {
    threads: Number(/^Threads:\s+(\d+)/m.exec(status)[1]),
    descriptors: (await readdir(`/proc/${server.pid}/fd`)).length,
    rss: Number(/^VmRSS:\s+(\d+)/m.exec(status)[1]),
  };
}

async function cycle(index) {
  const polite = index % 2 === 0;
  await page().evaluate(async (goodbye) => {
    const connected = () => window.player.peer?.connectionState === 'connected';
    await window.player.play('hdmi/h264');
    while (!connected()) await new Promise((done) => setTimeout(done, 5));
    if (!goodbye) window.player.session = null;
    await window.player.stop();
  }, polite);
}

test(`${kCycles} viewers come and go, half without DELETE, and nothing of them stays`, async () => {
  const nobody = () => until(async () => (await health()).viewers === 0, 30, 'nobody is left');
  await nobody();
  for (let index = 0; index < Math.max(4, kCycles / 10); ++index) await cycle(index);  // what is made once
  await nobody();
  await sleep(1500);  // the stream rests then
  const before = await resources();
  for (let index = 0; index < kCycles; ++index) {
    await cycle(index);
    if (index % 20 !== 19) continue;
    await nobody();
    console.log(`# after ${index + 1}: ${JSON.stringify(await resources())}`);
  }
  await nobody();
  const settled = async () => {
    const now = await resources();
    return now.threads <= before.threads && now.descriptors <= before.descriptors && now;
  };
  const after = await until(settled, 20, 'threads and descriptors return').catch(async (error) => {
    throw new Error(`${error.message}: ${JSON.stringify(before)}, then ${JSON.stringify(await resources())}`);
  });
  console.log(`# before ${JSON.stringify(before)}, after ${kCycles} cycles ${JSON.stringify(after)}`);
  assert(after.rss - before.rss < 8192, `${after.rss - before.rss} KiB more`);  // however many cycles
});

test('after all that, a viewer plays', async () => {
  await watch(page());
  await page().evaluate(() => window.player.play('hdmi/h264'));
  await until(async () => (await pictures(page())).length > 20, 15, 'pictures');
  await forget(page());
  assert.equal(server.exitCode, null);
});

await runTests(async () => {
  await browser?.close();
  await stage.close();
});
