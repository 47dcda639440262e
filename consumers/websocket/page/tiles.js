// SPDX-License-Identifier: Apache-2.0
//
// All streams at once, each a link to the page that shows it alone. Those that are scrolled out of
// view rest.

import {Screen} from '/screen.js';
import {noStream} from '/states.js';
import {watchStreams} from '/streams.js';
import {kWays} from '/ways.js';

const element = (id) => document.getElementById(id);
const tiles = new Map();  // name of the group -> {screen, link}
const wanted = new URLSearchParams(location.search).get('way') ?? 'auto';

// For tests.
Object.defineProperty(window, 'framering', {
  get: () => Object.fromEntries(
      [...tiles].map(([name, {screen}]) => [name, {...screen.facts, paused: screen.paused}])),
});

const inView = new IntersectionObserver((entries) => {
  for (const {target, isIntersecting} of entries) {
    [...tiles.values()].find(({link}) => link === target)?.screen.see(isIntersecting);
  }
});

function makeTile(name) {
  const link = element('tile').content.firstElementChild.cloneNode(true);
  link.href = '/?' + new URLSearchParams({stream: name});
  link.querySelector('strong').textContent = name;
  const screen = new Screen(link.querySelector('.stage'), ({tone}) => {
    link.querySelector('.caption').dataset.tone = tone;
  });
  tiles.set(name, {screen, link});
  element('tiles').append(link);
  inView.observe(link);
  return tiles.get(name);
}

function showStreams(groups, trouble) {
  // What went away stays, and says so: the tiles do not jump around when a producer restarts.
  for (const group of groups ?? []) {
    const {screen} = tiles.get(group.name) ?? makeTile(group.name);
    screen.play({...group, codecs: {...screen.group?.codecs, ...group.codecs}}, wanted);
  }
  const counted = {text: tiles.size === 1 ? '1 stream' : `${tiles.size} streams`, tone: 'good'};
  const {text, tone} = trouble ?? (tiles.size ? counted : noStream());
  element('status').dataset.tone = tone;
  element('status-text').textContent = text;
}

function showFacts() {
  for (const {screen, link} of tiles.values()) {
    const {fps} = screen.meter.read();
    const {way, width, height, frames} = screen.facts;
    const playing = frames > 0 && screen.told?.playing;
    const numbers = `${width} × ${height} · ${fps.toFixed(0)} fps · ${kWays[way]?.name}`;
    link.querySelector('.facts').textContent = playing ? numbers : screen.told?.text ?? '';
  }
}

watchStreams(showStreams);
setInterval(showFacts, 500);
