// SPDX-License-Identifier: Apache-2.0
//
// The ways to play, best first. Each plays streams of some codecs, where the browser has what it
// needs.

import {DirectPlayer, directSupported} from '/direct_player.js';
import {MjpegPlayer} from '/mjpeg_player.js';
import {MsePlayer, mseSupported} from '/mse_player.js';
import {WebrtcPlayer, webrtcSupported} from '/webrtc_player.js';

export const kWays = {
  webrtc: {
    name: 'WebRTC', codecs: ['h264'], Player: WebrtcPlayer, supported: webrtcSupported, usesVideo: true,
    missing: 'No consumer with WebRTC is reachable.',
  },
  webcodecs: {
    name: 'WebCodecs', codecs: ['h264'], Player: DirectPlayer, supported: directSupported,
    missing: 'This browser has WebCodecs only on pages from localhost or https.',
  },
  mse: {
    name: 'MSE', codecs: ['h264'], Player: MsePlayer, supported: mseSupported, usesVideo: true,
    missing: 'This browser has no Media Source Extensions.',
  },
  mjpeg: {
    name: 'MJPEG', codecs: ['mjpeg'], Player: MjpegPlayer, supported: () => true,
  },
};

// {way, stream} for a group of streams: the wanted way, or with 'auto' the best one; null: none
// works. `failed`: ways that were tried and did not.
export function chooseWay(group, wanted, failed = new Set()) {
  for (const [way, {codecs, supported}] of Object.entries(kWays)) {
    if (wanted !== 'auto' && wanted !== way) continue;
    const codec = codecs.find((candidate) => group?.codecs[candidate]);
    if (codec && supported() && !failed.has(way)) return {way, stream: group.codecs[codec]};
  }
  return null;
}

// Why a way cannot be chosen, in words; null: it can.
export function whyNot(group, way, failed) {
  if (!group) return 'There is no stream yet.';
  if (chooseWay(group, way, failed)) return null;
  const {codecs, supported, missing} = kWays[way];
  if (!supported()) return missing;
  if (!codecs.some((codec) => group.codecs[codec]))
    return `This stream is ${Object.keys(group.codecs).join(', ')}.`;
  return 'This browser could not play this stream this way.';
}
