// SPDX-License-Identifier: Apache-2.0
//
// The latency by stage: a small chart of stacked columns, the newest on the right, and a legend
// with the medians.

import {kStages} from '/latency.js';

const kColumns = 64;
const kScales_ms = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000];

export const latencyText = (ms) => ms === null ? '–' : `${ms.toFixed(ms < 9.95 ? 1 : 0)} ms`;

export class LatencyChart {
  constructor(canvas, legend) {
    this.canvas = canvas;
    this.values = {};
    legend.replaceChildren(...kStages.map((stage) => {
      const item = document.createElement('li');
      item.dataset.stage = stage;
      item.append(stage, this.values[stage] = document.createElement('output'));
      return item;
    }));
  }

  draw(log) {
    for (const stage of kStages) this.values[stage].textContent = latencyText(log.median(stage));
    const {canvas} = this;
    const ratio = window.devicePixelRatio;
    const width = canvas.clientWidth, height = canvas.clientHeight;
    if (!width) return;  // folded away
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext('2d');
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(`--${name}`);

    // One outlier, such as the first picture of all, must not flatten the rest.
    const most = Math.max(1.3 * (log.percentile('total', 0.9) ?? 0), 1);
    const scale = kScales_ms.find((candidate) => candidate >= most) ?? most;
    const columnWidth = width / kColumns;
    log.samples.forEach((sample, index) => {
      const left = width - (log.samples.length - index) * columnWidth;
      let bottom = height;
      for (const stage of kStages) {
        const tall = sample[stage] / scale * height;
        context.fillStyle = colour(`stage-${stage}`);
        context.fillRect(left, bottom - tall, Math.max(columnWidth - 1, 1), tall);
        bottom -= tall;
      }
    });
    context.fillStyle = colour('line');
    context.fillRect(0, 0, width, 1);
    context.fillStyle = colour('muted');
    context.font = `11px ${style.fontFamily}`;
    context.textBaseline = 'top';
    context.fillText(`${scale} ms`, 2, 4);
  }
}
