// SPDX-License-Identifier: Apache-2.0
//
// The same pictures over WebRTC (whep.go).

import {Meter} from './meter.js';

const kRetry = 1000;  // ms

const video = document.getElementById('webrtc');
const meter = new Meter(document.getElementById('webrtc-says'));

async function connect() {
  const peer = new RTCPeerConnection();
  peer.addTransceiver('video', {direction: 'recvonly'});
  peer.ontrack = ({track, receiver}) => {
    receiver.jitterBufferTarget = 0;
    video.srcObject = new MediaStream([track]);
  };
  peer.onconnectionstatechange = () => {
    if (['failed', 'disconnected', 'closed'].includes(peer.connectionState)) retry(peer);
  };
  try {
    await peer.setLocalDescription();
    const answer = await fetch('/api/whep',
                               {method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: peer.localDescription.sdp});
    if (!answer.ok) throw new Error(await answer.text());
    const viewer = answer.headers.get('Location');
    addEventListener('pagehide', () => fetch(viewer, {method: 'DELETE', keepalive: true}), {once: true});
    await peer.setRemoteDescription({type: 'answer', sdp: await answer.text()});
    meter.trouble = null;
  } catch (error) {
    meter.trouble = error.message;
    retry(peer);
  }
}

function retry(peer) {
  peer.onconnectionstatechange = null;
  peer.close();
  setTimeout(connect, kRetry);
}

function count() {
  meter.picture(video.videoWidth, video.videoHeight);
  video.requestVideoFrameCallback(count);
}

video.requestVideoFrameCallback(count);
connect();
