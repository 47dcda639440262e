// SPDX-License-Identifier: Apache-2.0
//
// What a viewer costs its server: memory, threads and CPU time of framering-webrtc with 0, 1 and 4
// viewers, beside the example server in Go (pion) with the same stream at the same time. The viewers do
// not decode, so that the machine is the servers': node webrtc_cost.mjs [SECONDS].
import {spawn} from 'node:child_process';
import {readFile, readdir} from 'node:fs/promises';
import {cpus} from 'node:os';
import {sleep, until} from './browser.mjs';
import {WebrtcStage} from './webrtc_stage.mjs';

const kSeconds = Number(process.argv[2] ?? 10);
const kViewer = process.env.FRAMERING_WHEP_VIEWER;
const kTicksPerSecond = 100;  // of /proc: USER_HZ, the same on every Linux

const stage = await new WebrtcStage().open();

async function usage({pid}) {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  const smaps = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8');
  const stat = (await readFile(`/proc/${pid}/stat`, 'utf8')).replace(/^.*\) /, '').split(' ');
  const kib = (text, name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)[1]);
  return {
    rss: kib(status, 'VmRSS') / 1024, own: (kib(smaps, 'Private_Dirty') + kib(smaps, 'Private_Clean')) / 1024,
    threads: kib(status, 'Threads'), descriptors: (await readdir(`/proc/${pid}/fd`)).length,
    cpu: (Number(stat[11]) + Number(stat[12])) / kTicksPerSecond,
  };
}

// Each server with `count` viewers of its own; all of them at once.
async function measure(servers, count) {
  const viewers = [];
  for (const {whep} of count ? servers : []) {
    const child = spawn(kViewer, ['-url', whep, '-viewers', String(count), '-seconds', String(kSeconds + 3)], {stdio: ['ignore', 'pipe', 'pipe']});
    child.said = child.output = '';
    child.stderr.on('data', (data) => { child.said += data; });
    child.stdout.on('data', (data) => { child.output += data; });
    viewers.push(child);
    await until(() => /connected/.test(child.said), 30, `viewers of ${whep}: ${child.said}`);
  }
  await sleep(1000);
  const before = await Promise.all(servers.map(({child}) => usage(child)));
  await sleep(kSeconds * 1000);
  const after = await Promise.all(servers.map(({child}) => usage(child)));
  for (const child of viewers) await until(() => child.exitCode !== null, 20, 'the viewers end');
  return servers.map((_, index) => {
    const seen = count ? JSON.parse(viewers[index].output) : [];
    return {
      ...after[index], cpu: 100 * (after[index].cpu - before[index].cpu) / kSeconds,
      pictures: seen.length ? Math.min(...seen.map(({pictures}) => pictures)) / (kSeconds + 3) : 0,
      missing: seen.reduce((sum, {missing}) => sum + missing, 0),
    };
  });
}

try {
  await stage.startBroker();
  await stage.startProducer({options: ['--width', '640', '--height', '360', '--fps', '60']});
  const ours = await stage.startWebrtc();
  const go = await stage.start('consumers/go/framering-go-server', ['--listen', '127.0.0.1:0']);
  const servers = [
    {name: 'framering-webrtc', child: ours, whep: ours.address + 'whep/hdmi/h264'},
    {name: 'Go with pion', child: go, whep: /http:\S+/.exec(go.log)[0] + 'api/whep'},
  ];
  console.log(`640x360 at 60 fps, ${kSeconds} s each, both at once; ${cpus().length} x ${cpus()[0].model}`);
  console.log('viewers  server            RSS MiB  private  threads  fds  CPU % of a core  pictures/s  packets missing');
  const cpu = {};
  for (const count of [0, 1, 4]) {
    const rows = await measure(servers, count);
    for (const [index, row] of rows.entries()) {
      console.log(`${String(count).padStart(7)}  ${servers[index].name.padEnd(16)}${row.rss.toFixed(1).padStart(9)}${row.own.toFixed(1).padStart(9)}` +
                  `${String(row.threads).padStart(9)}${String(row.descriptors).padStart(5)}${row.cpu.toFixed(1).padStart(17)}` +
                  `${row.pictures.toFixed(1).padStart(12)}${String(row.missing).padStart(17)}`);
    }
    cpu[count] = rows;
  }
  const [mine, theirs] = cpu[4];
  console.log(`ours to theirs with 4 viewers: RSS ${(mine.rss / theirs.rss).toFixed(2)}, CPU ${(mine.cpu / theirs.cpu).toFixed(2)}`);
} finally {
  await stage.close();
}
