// SPDX-License-Identifier: Apache-2.0
//
// Chromium plays what the recorder makes: the pictures are those of the source, by the barcode in
// them, in order, and none is left out of the file; also of a file whose recorder was killed.
// Prints TAP.
import assert from 'node:assert/strict';
import {mkdirSync} from 'node:fs';
import {readdir, readFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import {join} from 'node:path';
import {openBrowser, runTests, test, tryAgain, until} from './browser.mjs';
import {kArtifacts, Stage} from './stage.mjs';

const stage = await new Stage().open();
const kStream = 'hdmi/h264';
const kPage = `<!doctype html><title>a recording</title><video muted controls width=640></video>
<script type=module>
import {barcodeCell, decodeBarcode} from '/barcode.mjs';
const video = document.querySelector('video');
window.numbers = [];
const strip = new OffscreenCanvas(1, 1).getContext('2d', {willReadFrequently: true});
const present = (now, {presentedFrames}) => {
  video.requestVideoFrameCallback(present);
  const width = video.videoWidth, tall = 4 * barcodeCell(width);
  if (strip.canvas.width !== width) Object.assign(strip.canvas, {width, height: tall});
  strip.drawImage(video, 0, 0);
  numbers.push(decodeBarcode(strip.getImageData(0, 0, width, tall))?.number);
  window.presented = presentedFrames;
};
video.requestVideoFrameCallback(present);
video.addEventListener('ended', () => { window.over = true; });
video.addEventListener('error', () => { window.failed = video.error.message; });
video.src = location.hash.slice(1);
video.play();
</script>`;

// A web server of one page, its script, and films; with ranges, for seeking.
const server = createServer(async (request, response) => {
  const path = new URL(request.url, 'http://x').pathname;
  if (path === '/favicon.ico') return response.writeHead(204).end();
  if (path === '/') return response.writeHead(200, {'Content-Type': 'text/html'}).end(kPage);
  if (path === '/barcode.mjs') {
    const script = await readFile(new URL('../vendor_standin/barcode.mjs', import.meta.url));
    return response.writeHead(200, {'Content-Type': 'text/javascript'}).end(script);
  }
  const film = await readFile(join(stage.folder, path));
  const [, from] = /bytes=(\d+)-/.exec(request.headers.range ?? '') ?? [];
  const begin = Number(from ?? 0);
  response.writeHead(206, {
    'Content-Type': 'video/mp4', 'Accept-Ranges': 'bytes',
    'Content-Range': `bytes ${begin}-${film.length - 1}/${film.length}`,
  }).end(film.subarray(begin));
});
await new Promise((done) => server.listen(0, '127.0.0.1', done));

const recorder = (folder) => stage.start('consumers/recorder/framering-recorder',
                                         [kStream, '--output', join(stage.folder, folder)]);

async function onlyFilm(folder) {
  const films = (await readdir(join(stage.folder, folder))).filter((name) => name.endsWith('.mp4'));
  assert.equal(films.length, 1);
  return `/${folder}/${films[0]}`;
}

let browser;

// Plays the film to its end, and gives what was shown.
async function play(film) {
  const {page} = browser;
  await page.goto('about:blank');
  await page.goto(`http://127.0.0.1:${server.address().port}/#${film}`);
  await until(() => page.evaluate(() => window.over || window.failed), 30, `the end of ${film}`);
  const shown = await page.evaluate(() => {
    const video = document.querySelector('video');
    return {numbers: window.numbers, failed: window.failed, seconds: video.duration,
            dropped: video.getVideoPlaybackQuality().droppedVideoFrames,
            total: video.getVideoPlaybackQuality().totalVideoFrames};
  });
  assert.equal(shown.failed, undefined);
  assert.deepEqual(page.problems, []);
  const readable = shown.numbers.filter((number) => number !== undefined);
  assert(readable.length > 30, `only ${readable.length} readable pictures`);
  for (const [index, number] of readable.entries()) {
    assert(index === 0 || number >= readable[index - 1], `${number} after ${readable[index - 1]}`);
  }
  return shown;
}

test('a recording plays to its end, every picture of it', async () => {
  await stage.startBroker();
  await stage.startProducer();
  const [whole, killed] = await Promise.all([recorder('whole'), recorder('killed')]);
  const begin = (await stage.stat(kStream)).head;
  await until(async () => (await stage.stat(kStream)).head > begin + 90, 60, '3 s of pictures');
  await stage.stop(whole);
  await stage.stop(killed, 'SIGKILL');
  const [line] = (await readFile(join(stage.folder, 'whole/index.jsonl'), 'utf8')).trim().split('\n').map(JSON.parse);
  browser = await openBrowser();
  const film = await onlyFilm('whole');
  const shown = await tryAgain(() => play(film));
  assert.equal(shown.total, line.frames);
  assert(Math.abs(shown.seconds - line.seconds) < 0.2, `${shown.seconds} s of ${line.seconds}`);
  mkdirSync(kArtifacts, {recursive: true});
  await browser.page.screenshot({path: join(kArtifacts, 'recording.png')});
});

test('and so does one whose recorder was killed', async () => {
  const film = await onlyFilm('killed');
  const shown = await tryAgain(() => play(film));
  assert(shown.seconds > 1.5, `${shown.seconds} s`);
});

test('one can seek in it', async () => {
  const {page} = browser;
  const number = await page.evaluate(async () => {
    const video = document.querySelector('video');
    window.numbers.length = 0;
    const sought = new Promise((done) => video.addEventListener('seeked', done, {once: true}));
    video.currentTime = video.duration / 2;
    await sought;
    return video.currentTime / video.duration;
  });
  assert(Math.abs(number - 0.5) < 0.1, `${number}`);
  await until(() => page.evaluate(() => window.numbers.some((one) => one !== undefined)), 10, 'a picture');
});

await runTests(async () => {
  await browser?.close();
  server.close();
  await stage.close();
});
