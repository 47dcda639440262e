// SPDX-License-Identifier: Apache-2.0
//
// The least that a WHEP player is: an offer, its answer, a picture. window.player is for tests.

const [form, input, video, output] = ['form', 'input', 'video', 'output'].map((name) => document.querySelector(name));
const player = window.player = {peer: null, session: null, posted: 0, play, stop};

async function play(stream) {
  await stop();
  const peer = player.peer = new RTCPeerConnection();
  const {receiver} = peer.addTransceiver('video', {direction: 'recvonly'});
  receiver.jitterBufferTarget = 0;  // the present, not smoothness
  await peer.setLocalDescription();
  player.posted = performance.now();
  const response = await fetch(`/whep/${stream}`, {
    method: 'POST', headers: {'Content-Type': 'application/sdp'}, body: peer.localDescription.sdp,
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text);
  player.session = response.headers.get('Location');
  await peer.setRemoteDescription({type: 'answer', sdp: text});
  video.srcObject = new MediaStream([receiver.track]);
}

async function stop() {
  player.peer?.close();
  const session = player.session;
  player.peer = player.session = null;
  if (session) await fetch(session, {method: 'DELETE'});
}

const attempt = (stream) => play(stream).catch((error) => { output.textContent = error.message; });
form.onsubmit = (event) => {
  event.preventDefault();
  output.textContent = '';
  attempt(input.value);
};
setInterval(() => {
  if (video.videoWidth) output.textContent = `${video.videoWidth} × ${video.videoHeight}, ${player.peer?.connectionState}`;
}, 500);

const wanted = new URLSearchParams(location.search).get('stream');
if (wanted) {
  input.value = wanted;
  attempt(wanted);
}
