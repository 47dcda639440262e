// SPDX-License-Identifier: Apache-2.0
//
// Wires the page: the person's choice -> a player -> the canvas, and the state in words.

import {DirectPlayer, directSupported} from '/direct_player.js';
import {bitrateText, Meter} from '/meter.js';
import {MjpegPlayer} from '/mjpeg_player.js';
import {StateSocket, watchStreams} from '/streams.js';

const element = (id) => document.getElementById(id);
const stage = element('stage');
const canvas = element('picture');
const context = canvas.getContext('2d', {alpha: false});
const wayInputs = [...document.querySelectorAll('input[name=way]')];

const kModeNames = {webcodecs: 'WebCodecs', mjpeg: 'MJPEG'};
const kHints = {
  no_signal: 'Check the cable, and whether the computer is awake.',
  unsupported_resolution: 'Choose another resolution on the computer that sends the picture.',
  changing_resolution: 'The picture comes back by itself.',
  encoder_error: 'The picture comes back by itself.',
  no_stream: 'The picture starts by itself as soon as framering-producer runs.',
  no_broker: 'The picture starts by itself as soon as framering-broker runs.',
  replaced: 'The picture comes back by itself.',
  unreachable: 'Trying again. The picture comes back by itself.',
};
const kLasting = new Set(['ended', 'refused', 'unsupported_resolution', 'frame_too_large']);

let groups = [];
let listError = null;
let group = null;     // chosen entry of groups
let player = null;
let stateSocket = null;
let streamState = null;
let meter = new Meter();
let codecsFailed = false;  // WebCodecs is there, but could not play this stream

// For tests; read-only.
const facts = {mode: null, stream: null, frames: 0, lastTimestamp: 0, state: 'connecting', width: 0, height: 0};
const readOnly = Object.keys(facts).map((key) => [key, {get: () => facts[key], enumerable: true}]);
Object.defineProperty(window, 'framering',
                      {value: Object.freeze(Object.defineProperties({}, Object.fromEntries(readOnly)))});

function showPicture(source, width, height, timestamp) {
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  context.drawImage(source, 0, 0);
  meter.picture();
  Object.assign(facts, {frames: facts.frames + 1, lastTimestamp: timestamp, width, height});
  if (stage.dataset.picture !== 'live') {
    stage.dataset.picture = 'live';
    showState();
  }
}

// Which of the group's streams to play, and how: {mode, stream}, or null.
function choose(way) {
  if (!group) return null;
  const {h264, mjpeg} = group.ways;
  const direct = h264 && directSupported() && !codecsFailed ? {mode: 'webcodecs', stream: h264} : null;
  const pictures = mjpeg ? {mode: 'mjpeg', stream: mjpeg} : null;
  if (way === 'webcodecs') return direct;
  if (way === 'mjpeg') return pictures;
  return direct ?? pictures;
}

const chosenWay = () => wayInputs.find((input) => input.checked).value;

function play() {
  for (const input of wayInputs) input.disabled = choose(input.value) === null && input.value !== 'auto';
  if (wayInputs.find((input) => input.checked).disabled) wayInputs[0].checked = true;
  const choice = choose(chosenWay());
  if (choice?.mode === facts.mode && choice?.stream === facts.stream) return;

  player?.stop();
  stateSocket?.stop();
  player = stateSocket = streamState = null;
  meter = new Meter();
  stage.dataset.picture = 'none';
  Object.assign(facts, {mode: choice?.mode ?? null, stream: choice?.stream ?? null, frames: 0});
  if (choice) {
    const on = {
      picture: showPicture,
      received: (bytes) => meter.received(bytes),
      dropped: (count) => meter.dropped(count),
      unplayable: () => {
        codecsFailed = true;
        facts.mode = null;
        play();
      },
    };
    const Player = choice.mode === 'webcodecs' ? DirectPlayer : MjpegPlayer;
    player = new Player(choice.stream, on);
    stateSocket = new StateSocket(choice.stream, (state) => {
      streamState = state;
      showState();
    });
  }
  showState();
  showFacts();
}

// {state, text, hint, tone}: what to say instead of, or above, the picture.
function currentState() {
  if (!group) {
    if (listError) return {state: 'no_list', text: 'no streams yet', hint: listError, tone: 'wait'};
    return {state: 'no_stream', text: 'waiting for the producer', hint: kHints.no_stream, tone: 'wait'};
  }
  if (!facts.mode) {
    const has = [...Object.keys(group.ways), ...group.other].join(', ').replace('h264', 'H.264');
    const hint = group.ways.h264 && !window.isSecureContext
        ? 'Browsers decode H.264 only on pages from localhost or https. Add an MJPEG stream, or use a tunnel.'
        : `This stream is ${has}.`;
    return {state: 'unplayable', text: 'nothing here that this page can play', hint, tone: 'bad'};
  }
  if (!streamState) return {state: 'connecting', text: 'connecting', hint: '', tone: 'wait'};
  const {state, text, playing} = streamState;
  if (playing) return {state, text, hint: '', tone: 'good'};
  return {state, text, hint: kHints[state] ?? '', tone: kLasting.has(state) ? 'bad' : 'wait'};
}

function showState() {
  const now = currentState();
  const playing = now.tone === 'good' && stage.dataset.picture === 'live';
  facts.state = now.state;
  element('status').dataset.tone = now.tone;
  element('status-text').textContent = now.text;
  const notice = element('notice');
  notice.hidden = playing;
  if (playing) return;
  notice.dataset.tone = now.tone;
  element('notice-title').textContent = now.tone === 'good' ? 'waiting for the first picture' : now.text;
  element('notice-hint').textContent = now.hint;
}

function showFacts() {
  const {fps, bitsPerSecond, drops} = meter.read();
  const has = facts.frames > 0;
  const moves = has && streamState?.playing;
  element('fact-mode').textContent = kModeNames[facts.mode] ?? '–';
  element('fact-size').textContent = has ? `${facts.width} × ${facts.height}` : '–';
  element('fact-fps').textContent = moves ? `${fps.toFixed(fps < 9.95 ? 1 : 0)} fps` : '–';
  element('fact-bitrate').textContent = moves ? bitrateText(bitsPerSecond) : '–';
  element('fact-drops').textContent = has ? String(drops) : '–';
}

function showStreams(list, error) {
  listError = error;
  if (list && (list.length > 0 || !error)) groups = list;  // a broker that is away changes nothing
  const wanted = new URLSearchParams(location.search).get('stream') ?? localStorage.getItem('stream');
  const stillThere = group && groups.find((candidate) => candidate.name === group.name);
  // After a restart of the broker or a producer, streams come back one by one: what plays goes on.
  if (stillThere) stillThere.ways = {...group.ways, ...stillThere.ways};
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
  showState();
}

function chooseStream(name) {
  group = groups.find((candidate) => candidate.name === name) ?? group;
  codecsFailed = false;
  localStorage.setItem('stream', name);
  element('stream').value = name;
  play();
}

function chooseWay(value) {
  const input = wayInputs.find((candidate) => candidate.value === value);
  if (!input || input.disabled) return;
  input.checked = true;
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
  const action = {f: toggleFullScreen, w: nextWay, s: nextStream}[event.key.toLowerCase()];
  if (action) action();
});

const way = new URLSearchParams(location.search).get('way') ?? localStorage.getItem('way');
const remembered = wayInputs.find((input) => input.value === way);
if (remembered) remembered.checked = true;
watchStreams(showStreams);
setInterval(showFacts, 500);
