// SPDX-License-Identifier: Apache-2.0
//
// Fragmented MP4 over WebSocket, played by Media Source Extensions in a <video>: for pages without
// WebCodecs, which are all those that come by http:// from another machine.

import {FrameSocket} from '/frame_socket.js';

const kBehind_s = 0.3;       // further behind the newest frame: jump there
const kSlack_s = 0.04;       // further behind than this: play a little faster
const kMaxSlack_s = 0.2;     // what the slack may grow to where frames come unevenly
const kSlackGrowth = 1.5;    // each time that the picture had to wait
const kSlackDecay = 0.999;   // with each frame
const kCatchUpRate = 1.1;
const kGap_s = 1;            // media time that jumps by more began anew
const kKept_s = 10;          // of what was played
const kRemembered = 64;      // frames whose capture time is known when they are shown
const kMaxFailures = 3;

export const mseSupported = () => 'MediaSource' in window;

export class MsePlayer {
  // `on` as for DirectPlayer; a picture has no `source`: the <video> shows it by itself.
  constructor(stream, on, video) {
    this.on = on;
    this.video = video;
    this.failures = 0;
    this.reset();
    this.socket = new FrameSocket('/api/stream/mp4', stream, {
      ...on,
      down: () => {},
      initialisation: (mime, payload) => this.initialise(mime, payload),
      frame: (frame) => this.take(frame),
    }, {mp4: true});
    video.muted = true;
    this.slack = kSlack_s;
    video.onwaiting = () => { this.slack = Math.min(this.slack * kSlackGrowth, kMaxSlack_s); };
    video.onerror = () => this.fail(video.error?.message ?? 'the video element failed');
    this.presented = (now, metadata) => this.present(metadata);
    this.awaitPresented();
  }

  stop() {
    this.stopped = true;
    this.socket.stop();
    if (this.callback) this.video.cancelVideoFrameCallback(this.callback);
    this.video.onerror = this.video.onwaiting = null;
    this.close();
  }

  pause() {
    this.socket.pause();
    this.video.pause();
  }

  resume() { this.socket.resume(); }

  initialise(mime, payload) {
    if (!MediaSource.isTypeSupported(mime)) return this.on.unplayable(`${mime} is not supported`);
    if (!this.source) this.open();
    this.work.push({type: mime}, {bytes: payload});
    this.proceed();
  }

  open() {
    this.source = new MediaSource();
    this.source.onsourceopen = () => {
      URL.revokeObjectURL(this.video.src);
      this.proceed();
    };
    this.video.src = URL.createObjectURL(this.source);
  }

  close() {
    this.video.removeAttribute('src');
    this.video.load();
    this.reset();
  }

  reset() {
    this.source = this.buffer = null;
    this.work = [];       // what the source buffer is still to do, one after the other
    this.shown = [];      // frames that may be presented soon
    this.edge = null;     // media time of the newest frame handed over
    this.drops = 0;       // as the <video> counted them
  }

  take(frame) {
    if (!this.source) return this.socket.acknowledge(frame.timestamp);
    const last = this.shown.at(-1)?.mediaTime ?? frame.mediaTime;
    if (frame.mediaTime < last || frame.mediaTime > last + kGap_s) {
      this.work.push({forget: Infinity});
      this.shown = [];
    }
    this.shown.push(frame);
    if (this.shown.length > kRemembered) this.shown.shift();
    this.work.push({bytes: frame.payload, frame});
    this.proceed();
  }

  // Does the next piece of work; a source buffer takes one at a time.
  proceed() {
    if (this.stopped || this.source?.readyState !== 'open' || this.buffer?.updating) return;
    const next = this.work.shift();
    if (!next) return;
    try {
      if (next.type) {
        if (this.buffer) this.buffer.changeType(next.type);
        else this.makeBuffer(next.type);
        return this.proceed();
      }
      if (next.forget) return this.buffer.remove(0, next.forget);
      this.appended = next.frame;
      this.buffer.appendBuffer(next.bytes);
    } catch (error) {
      this.fail(error.message);
    }
  }

  makeBuffer(type) {
    const buffer = this.buffer = this.source.addSourceBuffer(type);
    buffer.onupdateend = () => {
      if (buffer !== this.buffer) return;
      if (this.appended) this.follow(this.appended);
      this.appended = null;
      this.proceed();
    };
  }

  // Keeps the picture at the newest frame, and what was played from piling up.
  follow({key, mediaTime, timestamp}) {
    const {video} = this;
    this.edge = mediaTime;
    this.socket.acknowledge(timestamp);
    const behind = mediaTime - video.currentTime;
    const newer = this.work.some(({frame}) => frame);
    if (Math.abs(behind) > kBehind_s && !newer) video.currentTime = mediaTime;
    this.slack = Math.max(this.slack * kSlackDecay, kSlack_s);
    video.playbackRate = behind > this.slack ? kCatchUpRate : 1;
    if (video.paused && !this.socket.paused) video.play().catch(() => {});
    const {buffered} = this.buffer;
    if (key && buffered.length > 0 && buffered.start(0) < mediaTime - kKept_s)
      this.work.unshift({forget: mediaTime - kKept_s / 2});
    if (video.requestVideoFrameCallback) return;
    this.tell({mediaTime, width: video.videoWidth, height: video.videoHeight});
  }

  awaitPresented() {
    this.callback = this.video.requestVideoFrameCallback?.(this.presented);
  }

  present({mediaTime, width, height, presentationTime, processingDuration}) {
    this.awaitPresented();
    this.failures = 0;
    const drops = this.video.getVideoPlaybackQuality().droppedVideoFrames;
    this.on.dropped(Math.max(drops - this.drops, 0));
    this.drops = drops;
    this.tell({mediaTime, width, height, presentationTime, decodeMs: processingDuration * 1000});
  }

  tell({mediaTime, width, height, presentationTime, decodeMs}) {
    const frame = this.shown.find((candidate) => Math.abs(candidate.mediaTime - mediaTime) < 1e-3);
    let times = null;
    if (frame?.timing && decodeMs >= 0) {
      const {timing, receivedMs} = frame;
      times = {timing, receivedMs, decodedMs: receivedMs + decodeMs, presentedMs: presentationTime};
    }
    this.on.picture({width, height, timestamp: frame?.timestamp ?? 0, times});
  }

  fail(reason) {
    if (this.stopped) return;
    this.close();
    if (++this.failures >= kMaxFailures) return this.on.unplayable(reason);
    this.socket.reconnect();  // for another initialisation segment
  }
}
