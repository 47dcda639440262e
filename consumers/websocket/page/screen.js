// SPDX-License-Identifier: Apache-2.0
//
// One picture on the page: plays a group of streams in one of the ways, says in words why there is
// no picture, and costs nothing while nobody can see it.

import {LatencyLog, stagesOf} from '/latency.js';
import {Meter} from '/meter.js';
import {noStream, stateToShow, unplayable} from '/states.js';
import {StateSocket} from '/streams.js';
import {chooseWay, kWays, whyNot} from '/ways.js';

export class Screen {
  // stage: an element with a canvas, a video and a .notice with two paragraphs. onChange(): its
  // state or way changed.
  constructor(stage, onChange) {
    this.stage = stage;
    this.onChange = onChange;
    this.canvas = stage.querySelector('canvas');
    this.video = stage.querySelector('video');
    this.notice = stage.querySelector('.notice');
    this.context = this.canvas.getContext('2d', {alpha: false});
    this.failed = new Set();
    this.facts = {way: null, stream: null, frames: 0, bytes: 0, lastTimestamp: 0, width: 0, height: 0};
    this.meter = new Meter();
    this.latency = new LatencyLog();
    this.inView = true;
    document.addEventListener('visibilitychange', () => this.see());
  }

  // Plays `group` the `wanted` way; without one, `trouble` (states.js) says why. The same again
  // changes nothing.
  play(group, wanted, trouble = null) {
    if (group?.name !== this.group?.name) this.failed.clear();
    Object.assign(this, {group, wanted, trouble});
    const choice = chooseWay(group, wanted, this.failed);
    if (choice?.way !== this.facts.way || choice?.stream !== this.facts.stream) this.start(choice);
    this.showState();
  }

  start(choice) {
    const sameStream = choice?.stream === this.facts.stream;
    this.player?.stop();
    this.player = null;
    if (!sameStream) {
      this.stateSocket?.stop();
      this.stateSocket = this.told = null;
    }
    this.meter = new Meter();
    this.latency = new LatencyLog();
    this.serverDrops = 0;
    this.stage.dataset.picture = 'none';
    Object.assign(this.facts, {way: choice?.way ?? null, stream: choice?.stream ?? null, frames: 0, bytes: 0});
    if (!choice) return;
    const {Player, usesVideo} = kWays[choice.way];
    this.stage.dataset.shows = usesVideo ? 'video' : 'canvas';
    this.stateSocket ??= new StateSocket(choice.stream, (told) => {
      this.told = told;
      this.showState();
    });
    this.player = new Player(choice.stream, this.callbacks(choice.way), this.video);
    this.paused = false;
    this.see();
  }

  callbacks(way) {
    return {
      picture: (picture) => this.show(picture),
      received: (bytes) => {
        this.facts.bytes += bytes;
        this.meter.received(bytes);
      },
      dropped: (count) => this.meter.dropped(count),
      serverDropped: (total) => {
        if (total < this.serverDrops) this.meter.drops += this.serverDrops;  // another connection counts anew
        this.serverDrops = total;
      },
      unplayable: (reason) => {
        console.warn(`${kWays[way].name}: ${reason}`);
        this.failed.add(way);
        this.play(this.group, this.wanted, this.trouble);
      },
    };
  }

  show({source, width, height, timestamp, times}) {
    const {canvas, facts, stage} = this;
    if (source) {
      if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, {width, height});
      this.context.drawImage(source, 0, 0);
    }
    this.meter.picture();
    Object.assign(facts, {frames: facts.frames + 1, lastTimestamp: timestamp, width, height});
    const sample = times && stagesOf({presentedMs: performance.now(), ...times}, this.stateSocket.clock);
    if (sample) this.latency.add({timestamp, ...sample});
    stage.dispatchEvent(new Event('picture'));
    if (stage.dataset.picture === 'live') return;
    stage.dataset.picture = 'live';
    this.showState();
  }

  // Whether the person can see it: the tab, and in a page of tiles, this one.
  see(inView = this.inView) {
    this.inView = inView;
    const paused = document.hidden || !inView;
    if (!this.player || paused === this.paused) return;
    this.paused = paused;
    if (paused) return this.player.pause();
    this.meter.catchUp();
    this.player.resume();
  }

  get drops() { return this.meter.drops + this.serverDrops; }

  state() {
    if (!this.group) return this.trouble ?? noStream();
    if (!this.facts.way) return unplayable(this.reason());
    return stateToShow(this.told);
  }

  reason() {
    if (this.wanted !== 'auto') return whyNot(this.group, this.wanted, this.failed);
    return `Its codecs are ${Object.keys(this.group.codecs).join(', ')}. Add an H.264 or an MJPEG stream.`;
  }

  showState() {
    const now = this.state();
    const {notice} = this;
    this.facts.state = now.state;
    notice.hidden = now.tone === 'good' && this.stage.dataset.picture === 'live';
    if (!notice.hidden) {
      const [title, hint] = notice.querySelectorAll('p');
      notice.dataset.tone = now.tone;
      title.textContent = now.tone === 'good' ? 'waiting for the first picture' : now.text;
      hint.textContent = now.hint;
    }
    this.onChange(now);
  }
}
