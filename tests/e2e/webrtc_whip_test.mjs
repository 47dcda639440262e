// SPDX-License-Identifier: Apache-2.0
//
// framering-webrtc as a WHIP client: what it offers and how it goes on when it is refused, towards a
// server made here; and the picture on the far side of two real ones, subscribed or pulled there by
// Chromium. $FRAMERING_WHIP_SERVERS is the folder that has `livekit-server` and pion's `whip-whep`;
// where it has not, those cases are skipped. Prints TAP.
import assert from 'node:assert/strict';
import {execFileSync, spawn} from 'node:child_process';
import {createHmac} from 'node:crypto';
import {existsSync} from 'node:fs';
import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {createServer as createHttpsServer} from 'node:https';
import {connect, createServer as createTcpServer} from 'node:net';
import {join} from 'node:path';
import {openBrowser, runTests, sleep, test, tryAgain, until} from './browser.mjs';
import {freePort} from './stage.mjs';
import {brightness, forget, kPicture, pictures, watch, WebrtcStage} from './webrtc_stage.mjs';

const kServers = process.env.FRAMERING_WHIP_SERVERS ?? '';
const kStream = ['--stream', 'hdmi/h264'];
const stage = await new WebrtcStage().open();
const has = (name) => existsSync(join(kServers, name));
const servers = [];
let browser;

// A program of somebody else; ready when its port takes connections.
async function startServer(name, args, port, options = {}) {
  const child = spawn(join(kServers, name), args, {stdio: ['ignore', 'pipe', 'pipe'], ...options});
  servers.push(child);
  child.log = '';
  for (const pipe of [child.stdout, child.stderr]) pipe.on('data', (data) => { child.log += data; });
  await until(() => new Promise((done) => {
    assert.equal(child.exitCode, null, `${name} ended:\n${child.log}`);
    const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
    socket.on('error', () => done(false));
  }), 20, `${name} listens`);
  return child;
}

async function end(child) {
  child.kill('SIGKILL');
  await until(() => child.exitCode !== null || child.signalCode !== null, 5, 'it is gone');
}

const publish = (url, ...options) =>
  stage.start('consumers/webrtc/framering-webrtc', ['--whip', url, ...kStream, ...options]);

// The pictures that the page's <video> is given: readable, numbered upwards, in the right size.
async function checkPictures(page, what) {
  await until(async () => (await pictures(page)).filter(({number}) => number !== undefined).length > 20, 30, `${what}: pictures`);
  const seen = await tryAgain(async () => {
    await forget(page);
    await sleep(3000);
    const list = await pictures(page);
    assert(list.length > 45, `${what}: only ${list.length} pictures in 3 s`);
    return list;
  });
  const numbers = seen.map(({number}) => number);
  assert(!numbers.includes(undefined), `${what}: a picture has no barcode`);
  assert.deepEqual(numbers, [...numbers].sort((a, b) => a - b), `${what}: numbers go up`);
  assert.deepEqual(await page.evaluate(() => {
    const video = document.querySelector('video');
    return [video.videoWidth, video.videoHeight];
  }), [640, 384]);
  const [darkest, brightest] = await brightness(page);
  assert(brightest - darkest > 100, `${what}: ${darkest}..${brightest} bright`);
  console.log(`# ${what}: ${seen.length} pictures in 3 s, ${numbers.at(-1) - numbers[0] + 1 - seen.length} missing`);
}

// A server that answers a client only while that is stopped: it then finds the answer, and that its
// time for a connection is over, at the same moment.
const late = {asked: 0};

test('the offer has what servers choose by; refusals are told, and it comes again, later and later', async () => {
  await stage.startBroker();
  await stage.startProducer({options: [...kPicture, '--fps', '30']});
  const asked = [];
  const server = createServer((request, response) => {
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => {
      if (request.url === '/moved') return response.writeHead(307, {Location: '/whip/room'}).end();
      asked.push({at: Date.now(), method: request.method, url: request.url, headers: request.headers, body});
      response.writeHead(503).end('no room today');
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const client = await publish(`http://127.0.0.1:${server.address().port}/moved`, '--token', 'secret-token');
  await until(() => asked.length >= 4, 20, 'four attempts');
  assert(!client.log.includes('secret-token'));
  assert.match(client.log, /503: no room today/);
  assert.match(client.log, /about 500 ms[^]*about 1000 ms[^]*about 2000 ms/);
  const pauses = asked.slice(1).map(({at}, index) => at - asked[index].at);
  for (const [index, pause] of pauses.entries())  // a random part of it is left out
    assert(pause >= 500 * 2 ** index * 3 / 4, `pauses ${pauses}`);
  const {method, url, headers, body} = asked[0];
  assert.deepEqual([method, url, headers['content-type'], headers.authorization],
                   ['POST', '/whip/room', 'application/sdp', 'Bearer secret-token']);
  assert.match(body, /^a=rtpmap:96 H264\/90000\r$/m);
  assert.match(body, /^a=fmtp:96 .*packetization-mode=1;profile-level-id=42[0-9a-f]{4}\r$/m);
  assert.match(body, /^a=sendonly\r$/m);
  assert.match(body, /^a=ssrc:[1-9]/m);
  assert.match(body, /^a=rtcp-fb:96 nack pli\r$/m);
  assert.match(body, /^a=candidate:\S+ 1 UDP \d+ \S+ \d+ typ host/m);
  await stage.stop(client);
  server.close();
});

test('a client is stopped, for a later test', async () => {
  late.server = createTcpServer((socket) => { ++late.asked; late.socket ??= socket.on('error', () => {}).resume(); });
  await new Promise((done) => late.server.listen(0, '127.0.0.1', done));
  late.client = await publish(`http://127.0.0.1:${late.server.address().port}/`);
  await until(() => late.asked > 0, 10, `it asks: ${late.client.log}`);
  await sleep(2500);  // the time for a connection runs by then
  late.client.kill('SIGSTOP');
  late.stopped = Date.now();
  late.socket.end('HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n');
});

test('a server that says nothing does not keep it from ending, and knows by which name it was asked', async () => {
  const hosts = [];
  let deleted = 0;
  const server = createServer((request, response) => {
    if (request.method === 'DELETE') return void ++deleted;
    let body = '';
    request.on('data', (data) => { body += data; });
    request.on('end', () => {
      hosts.push(request.headers.host);
      // An answer like the offer, of somebody who is nowhere: the session stands, and waits for a connection.
      const answer = body.replace('a=sendonly', 'a=recvonly').replace('a=setup:actpass', 'a=setup:passive')
                         .replace(/a=ice-ufrag:.*/, 'a=ice-ufrag:else').replace(/a=candidate.*\r\n/g, '');
      response.writeHead(201, {'Content-Type': 'application/sdp', Location: '/session'}).end(answer);
    });
  });
  const listens = (address) => new Promise((done) => server.once('error', () => done(false)).listen(0, address, () => done(true)));
  const address = await listens('::1') ? '[::1]' : await listens('127.0.0.1') && '127.0.0.1';
  const client = await publish(`http://${address}:${server.address().port}/whip`);
  await until(() => hosts.length === 1, 10, `it is asked: ${client.log}`);
  assert.equal(hosts[0], `${address}:${server.address().port}`);
  await sleep(500);
  assert.equal(deleted, 0, client.log);
  const before = Date.now();
  client.kill('SIGTERM');
  await until(() => client.exitCode !== null, 7, 'it ends');
  assert.deepEqual([client.exitCode, deleted], [0, 1], client.log);
  console.log(`# it ended after ${Date.now() - before} ms`);
  server.closeAllConnections();
  server.close();
});

test('https: only with a certificate that this system trusts', async () => {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(stage.folder, name));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', cert, '-days', '1',
                           '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'], {stdio: 'ignore', timeout: 20_000});
  let asked = 0;
  const server = createHttpsServer({key: await readFile(key), cert: await readFile(cert)}, (request, response) => {
    ++asked;
    request.resume();
    response.writeHead(503).end('no room today');
  });
  await new Promise((done) => server.listen(0, 'localhost', done));
  const url = `https://localhost:${server.address().port}/whip`;
  const wary = await publish(url);
  await until(() => /certificate verify failed/.test(wary.log), 10, 'it is refused');
  assert.equal(asked, 0);
  await stage.stop(wary);
  const trusting = await stage.start('consumers/webrtc/framering-webrtc', ['--whip', url, ...kStream], {SSL_CERT_FILE: cert});
  await until(() => /503: no room today/.test(trusting.log), 10, `it is trusted: ${trusting.log}`);
  await stage.stop(trusting);
  server.close();
});

test(`LiveKit subscribes a browser to it${has('livekit-server') ? '' : ' # SKIP no livekit-server'}`, async () => {
  if (!has('livekit-server')) return;
  const [port, tcp, udp] = [await freePort(), await freePort(), await freePort()];
  const config = `{port: ${port}, bind_addresses: [127.0.0.1], logging: {level: info}, rtc: {tcp_port: ${tcp}, ` +
                 `udp_port: ${udp}, use_external_ip: false, enable_loopback_candidate: true}}`;
  const server = await startServer('livekit-server', ['--dev', '--config-body', config], port);
  // A wrong secret is refused, and said.
  const stranger = await publish(`http://127.0.0.1:${port}/whip/v1`, '--livekit-key', 'devkey', '--livekit-secret',
                                 'not-the-secret', '--livekit-room', 'kvm');
  await until(() => /answers 401/.test(stranger.log), 15, 'a wrong secret is refused');
  await stage.stop(stranger);

  const client = await publish(`http://127.0.0.1:${port}/whip/v1`, '--livekit-key', 'devkey', '--livekit-secret', 'secret',
                               '--livekit-room', 'kvm');
  const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
  const claims = `${part({alg: 'HS256', typ: 'JWT'})}.${part({
    iss: 'devkey', sub: 'viewer', exp: Math.floor(Date.now() / 1000) + 600,
    video: {room: 'kvm', roomJoin: true, canSubscribe: true},
  })}`;
  const token = `${claims}.${createHmac('sha256', 'secret').update(claims).digest('base64url')}`;
  browser ??= await openBrowser();
  const {page} = browser;
  await page.goto(`http://127.0.0.1:${port}/`);  // LiveKit says OK here: a page of its own origin
  await page.setContent('<video autoplay muted playsinline></video>');
  await page.addScriptTag({path: join(import.meta.dirname, 'node_modules/livekit-client/dist/livekit-client.umd.js')});
  await watch(page);
  await page.evaluate(async ([url, pass]) => {
    const room = window.room = new LivekitClient.Room();
    room.on('trackSubscribed', (track) => track.attach(document.querySelector('video')));
    await room.connect(url, pass);
  }, [`ws://127.0.0.1:${port}`, token]);
  await checkPictures(page, 'LiveKit').catch((error) => {
    throw new Error(`${error.message}\n${client.log}\n${server.log.slice(-3000)}`);
  });
  // Its Location is relative: with DELETE there, the publisher leaves the room at once.
  await stage.stop(client);
  await until(() => page.evaluate(() => window.room.remoteParticipants.size === 0), 10, 'the publisher has left');
  await page.evaluate(() => window.room.disconnect());
  await end(server);
});

test(`pion's whip-whep gives it to a browser, also after that was killed${has('whip-whep') ? '' : ' # SKIP no whip-whep'}`, async () => {
  if (!has('whip-whep')) return;
  const folder = join(stage.folder, 'pion');
  await mkdir(folder);
  await writeFile(join(folder, 'index.html'), '<!DOCTYPE html><video autoplay muted playsinline></video>');
  let server = await startServer('whip-whep', [], 8080, {cwd: folder});  // the port is the example's
  const client = await publish('http://127.0.0.1:8080/whip', '--token', 'x');
  browser ??= await openBrowser();
  const {page} = browser;
  const pull = async () => {
    await until(() => (client.log.match(/ is published /g) ?? []).length > 0, 30, `published:\n${client.log}`);
    await page.goto('http://127.0.0.1:8080/');
    await watch(page);
    await page.evaluate(async () => {
      const peer = window.peer = new RTCPeerConnection();
      const {receiver} = peer.addTransceiver('video', {direction: 'recvonly'});
      await peer.setLocalDescription();
      while (peer.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
      const headers = {'Content-Type': 'application/sdp', Authorization: 'Bearer x'};
      const response = await fetch('/whep', {method: 'POST', headers, body: peer.localDescription.sdp});
      await peer.setRemoteDescription({type: 'answer', sdp: await response.text()});
      document.querySelector('video').srcObject = new MediaStream([receiver.track]);
    });
  };
  await pull();
  await checkPictures(page, 'pion').catch((error) => {
    throw new Error(`${error.message}\n${client.log}\n${server.log.slice(-3000)}`);
  });
  await end(server);
  client.log = '';
  server = await startServer('whip-whep', [], 8080, {cwd: folder});
  await pull();
  await checkPictures(page, 'pion, a second life');
  await stage.stop(client);
  await end(server);
});

test('a refusal and the end of its time at the same moment end one attempt', async () => {
  await sleep(Math.max(0, late.stopped + 16_000 - Date.now()));
  const before = late.asked;
  late.client.kill('SIGCONT');
  await until(() => late.asked > before || late.client.exitCode !== null || late.client.signalCode !== null, 10, 'another attempt');
  assert.deepEqual([late.client.exitCode, late.client.signalCode], [null, null], late.client.log);
  assert.match(late.client.log, /answers 503|timeout/);
  late.server.close();
});

await runTests(async () => {
  await browser?.close();
  for (const child of servers) child.kill('SIGKILL');
  await stage.close();
});
