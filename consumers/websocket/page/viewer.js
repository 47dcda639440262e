// SPDX-License-Identifier: Apache-2.0
//
// The page of one picture: what the person chose -> the screen, and what the screen tells -> the
// facts below it.

import {LatencyChart, latencyText} from '/chart.js';
import {bitrateText} from '/meter.js';
import {Screen} from '/screen.js';
import {watchStreams} from '/streams.js';
import {kWays, whyNot} from '/ways.js';

const element = (id) => document.getElementById(id);
const stage = element('stage');
const wayInputs = [...document.querySelectorAll('input[name=way]')];

let groups = [];
let group = null;  // chosen entry of groups
let trouble = null;  // with the list of streams

const screen = new Screen(stage, (state) => {
  element('status').dataset.tone = state.tone;
  element('status-text').textContent = state.text;
  showWays();
});
const chart = new LatencyChart(element('chart'), element('legend'));

// For tests.
Object.defineProperty(window, 'framering', {get: () => ({
  ...screen.facts, drops: screen.drops, paused: screen.paused, latency: screen.latency.samples.at(-1) ?? null,
})});

const chosenWay = () => wayInputs.find((input) => input.checked).value;
const play = () => screen.play(group, chosenWay(), trouble);

// A way that was chosen stays chosen where it does not work: the page says why, and the person
// chooses.
function showWays() {
  for (const input of wayInputs) {
    if (input.value === 'auto') continue;
    const why = whyNot(group, input.value, screen.failed);
    input.disabled = why !== null && !input.checked;
    if (input.value === 'webrtc') input.parentElement.hidden = input.disabled;
    input.parentElement.title = why ?? `${kWays[input.value].codecs.join(' or ').toUpperCase()} (W: next)`;
  }
}

function showFacts() {
  const {facts, meter, latency} = screen;
  const {fps, bitsPerSecond} = meter.read();
  const has = facts.frames > 0;
  const moves = has && screen.told?.playing;
  const tell = (id, text) => { element(id).textContent = text ?? '–'; };
  tell('fact-way', kWays[facts.way]?.name);
  tell('fact-size', has ? `${facts.width} × ${facts.height}` : null);
  tell('fact-fps', moves ? `${fps.toFixed(fps < 9.95 ? 1 : 0)} fps` : null);
  tell('fact-bitrate', moves ? bitrateText(bitsPerSecond) : null);
  tell('fact-drops', has ? String(screen.drops) : null);
  tell('fact-latency', moves ? latencyText(latency.median('total')) : null);
  if (!document.hidden) chart.draw(latency);
}

function showStreams(list, newTrouble) {
  trouble = newTrouble;
  if (list && (list.length > 0 || !trouble)) groups = list;  // a broker that is away changes nothing
  const wanted = new URLSearchParams(location.search).get('stream') ?? localStorage.getItem('stream');
  const stillThere = group && groups.find((candidate) => candidate.name === group.name);
  // After a restart of the broker or a producer, streams come back one by one: what plays goes on.
  if (stillThere) stillThere.codecs = {...group.codecs, ...stillThere.codecs};
  else if (group) groups = [...groups, group];
  group = stillThere ?? group ?? groups.find((candidate) => candidate.name === wanted) ?? groups[0] ?? null;

  const select = element('stream');
  const names = groups.map((candidate) => candidate.name);
  if (names.join('\n') !== select.dataset.names) {
    select.dataset.names = names.join('\n');
    const options = names.map((name) => new Option(name, name));
    select.replaceChildren(...(options.length ? options : [new Option('none')]));
  }
  select.disabled = names.length === 0;
  if (group) select.value = group.name;
  play();
}

function chooseStream(name) {
  group = groups.find((candidate) => candidate.name === name) ?? group;
  localStorage.setItem('stream', name);
  element('stream').value = name;
  play();
}

function chooseWay(value) {
  wayInputs.find((input) => input.value === value).checked = true;
  localStorage.setItem('way', value);
  play();
}

function nextWay() {
  const usable = wayInputs.filter((input) => !input.disabled);
  chooseWay(usable[(usable.findIndex((input) => input.checked) + 1) % usable.length].value);
}

function nextStream() {
  if (groups.length > 1) chooseStream(groups[(groups.indexOf(group) + 1) % groups.length].name);
}

function toggleFullScreen() {
  if (document.fullscreenElement) document.exitFullscreen();
  else stage.requestFullscreen?.();
}

element('stream').addEventListener('change', (event) => chooseStream(event.target.value));
element('way').addEventListener('change', (event) => chooseWay(event.target.value));
element('fullscreen').addEventListener('click', toggleFullScreen);
stage.addEventListener('dblclick', toggleFullScreen);
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.matches?.('select')) return;
  const actions = {
    f: toggleFullScreen, w: nextWay, s: nextStream, t: () => location.assign('/tiles.html'),
  };
  actions[event.key.toLowerCase()]?.();
});

const way = new URLSearchParams(location.search).get('way') ?? localStorage.getItem('way');
const remembered = wayInputs.find((input) => input.value === way);
if (remembered) remembered.checked = true;
watchStreams(showStreams);
setInterval(showFacts, 500);
