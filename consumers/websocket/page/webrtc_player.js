// SPDX-License-Identifier: Apache-2.0
//
// WebRTC, from a consumer that speaks WHEP (draft-ietf-wish-whep): one POST of an offer, one
// answer. This server is asked where: `whep` in /api/streams, an address with {stream} in it, maybe
// at another port of this host (":8889/{stream}/whep"). Without it, or when nobody answers there,
// there is no such way.

import {retryDelay, serverAnswers, sleep, whenVisible} from '/socket.js';

const kProbeLimitMs = 1000;
const kGatherLimitMs = 500;  // host candidates only: no server of anybody else is asked
const kStatisticsMs = 500;
const kMaxFailures = 3;

let address = null;    // as the server gave it
let reachable = false;

export const webrtcSupported = () => reachable && 'RTCPeerConnection' in window;

function addressOf(stream) {
  const path = address.replace('{stream}', stream.split('/').map(encodeURIComponent).join('/'));
  const here = `${location.protocol}//${location.hostname}`;
  return new URL(path.startsWith(':') ? here + path : path, location.href);
}

// Whether somebody answers there for one of the streams; asked again when the address changes.
export async function probeWhep(newAddress, stream) {
  if (newAddress === address || !stream) return;
  address = newAddress;
  reachable = false;
  if (!address) return;
  try {
    const request = {method: 'OPTIONS', signal: AbortSignal.timeout(kProbeLimitMs)};
    reachable = (await fetch(addressOf(stream), request)).ok;
  } catch {
    // Nobody is there.
  }
}

export class WebrtcPlayer {
  // `on` as for MsePlayer.
  constructor(stream, on, video) {
    Object.assign(this, {stream, on, video});
    this.failures = this.drops = this.bytes = 0;
    video.muted = true;
    this.presented = (now, {width, height}) => {
      this.failures = 0;
      this.callback = video.requestVideoFrameCallback(this.presented);
      on.picture({width, height, timestamp: Math.round(now * 1000), times: null});
    };
    this.callback = video.requestVideoFrameCallback?.(this.presented);
    this.counting = setInterval(() => this.count(), kStatisticsMs);
    this.resume();
  }

  stop() {
    clearInterval(this.counting);
    if (this.callback) this.video.cancelVideoFrameCallback(this.callback);
    this.pause();
    this.video.srcObject = null;
  }

  // The session ends while nobody looks: the consumer then has no viewer to send to.
  pause() {
    this.session?.abort();
    this.session = null;
  }

  resume() {
    this.pause();  // at most one session
    this.session = new AbortController();
    this.play(this.session.signal);
  }

  async play(signal) {
    for (let attempt = 0; ; ++attempt) {
      await whenVisible();
      if (signal.aborted) return;
      await this.watch(signal).catch((error) => { this.reason = error.message; });
      if (signal.aborted) return;
      if (++this.failures >= kMaxFailures) return this.on.unplayable(this.reason);
      await sleep(retryDelay(attempt));
      await serverAnswers();
    }
  }

  // One session, until it fails.
  async watch(signal) {
    const peer = this.peer = new RTCPeerConnection();
    let resource = null;
    try {
      const {receiver} = peer.addTransceiver('video', {direction: 'recvonly'});
      receiver.jitterBufferTarget = 0;  // the present, not smoothness
      await peer.setLocalDescription();
      await Promise.race([gathered(peer), sleep(kGatherLimitMs)]);
      const url = addressOf(this.stream);
      const headers = {'Content-Type': 'application/sdp'};
      const body = peer.localDescription.sdp;
      const response = await fetch(url, {method: 'POST', headers, body, signal});
      if (!response.ok) throw new Error(await response.text());
      resource = new URL(response.headers.get('Location') ?? url, url);
      await peer.setRemoteDescription({type: 'answer', sdp: await response.text()});
      this.video.srcObject = new MediaStream([receiver.track]);
      this.video.play().catch(() => {});
      await ended(peer, signal);
      throw new Error('the connection was lost');
    } finally {
      peer.close();
      this.bytes = this.drops = 0;
      if (resource) fetch(resource, {method: 'DELETE'}).catch(() => {});
    }
  }

  async count() {
    if (!this.peer || this.peer.connectionState !== 'connected') return;
    for (const report of (await this.peer.getStats()).values()) {
      if (report.type !== 'inbound-rtp') continue;
      this.on.received(report.bytesReceived - this.bytes);
      this.on.dropped(report.framesDropped - this.drops);
      this.bytes = report.bytesReceived;
      this.drops = report.framesDropped;
    }
  }
}

function gathered(peer) {
  return new Promise((done) => {
    peer.onicegatheringstatechange = () => { if (peer.iceGatheringState === 'complete') done(); };
  });
}

function ended(peer, signal) {
  return new Promise((done) => {
    signal.addEventListener('abort', done);
    peer.onconnectionstatechange = () => {
      if (/failed|disconnected|closed/.test(peer.connectionState)) done();
    };
  });
}
