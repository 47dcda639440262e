// SPDX-License-Identifier: Apache-2.0
//
// What to say instead of, or above, the picture.

const kHints = {
  no_signal: 'Check the cable, and whether the computer is awake.',
  unsupported_resolution: 'Choose another resolution on the computer that sends the picture.',
  changing_resolution: 'The picture comes back by itself.',
  encoder_error: 'The picture comes back by itself.',
  frame_too_large: 'Lower the quality or the bitrate, or raise --max-frame of the producer.',
  no_stream: 'The picture starts by itself as soon as framering-producer runs.',
  no_broker: 'The picture starts by itself as soon as framering-broker runs.',
  replaced: 'The picture comes back by itself.',
  unreachable: 'Trying again. The picture comes back by itself.',
};
const kLasting = new Set(['ended', 'refused', 'unsupported_resolution', 'frame_too_large']);

// From what the server said last about the stream (null: nothing yet): {state, text, hint, tone};
// tone is good, wait or bad.
export function stateToShow(told) {
  if (!told) return {state: 'connecting', text: 'connecting', hint: '', tone: 'wait'};
  const {state, text, playing} = told;
  if (playing) return {state, text, hint: '', tone: 'good'};
  return {state, text, hint: kHints[state] ?? '', tone: kLasting.has(state) ? 'bad' : 'wait'};
}

// For what the server does not tell.
export const noServer = () => (
    {state: 'unreachable', text: 'no connection to this server', hint: kHints.unreachable, tone: 'wait'});
export const noStream = () => (
    {state: 'no_stream', text: 'waiting for the producer', hint: kHints.no_stream, tone: 'wait'});
export const noBroker = (reason) => (
    {state: 'no_broker', text: 'waiting for the broker', hint: reason, tone: 'wait'});
export const refused = (reason) => ({state: 'refused', text: 'this server refuses', hint: reason, tone: 'bad'});
export const unplayable = (reason) => (
    {state: 'unplayable', text: 'this page cannot play it', hint: reason, tone: 'bad'});
