// SPDX-License-Identifier: Apache-2.0
//
// What tests in a real browser have in common: waiting, Chromium, Test Anything Protocol.
import {spawn} from 'node:child_process';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {chromium} from 'playwright-core';

export const kChromium = process.env.CHROMIUM ?? '/usr/bin/chromium';
const kArguments = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync',
];

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Seconds: how long at least is waited for anything, since the machine may be slow and busy. It costs
// nothing where it comes; what has to come within less is measured, not waited for.
const kPatience = 30;

// Calls `condition` until it gives something true, and returns that.
export async function until(condition, seconds, what) {
  seconds = Math.max(seconds, kPatience);
  for (const deadline = Date.now() + seconds * 1000; Date.now() < deadline; await sleep(20)) {
    const result = await condition();
    if (result) return result;
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

// What `measure` gives, once that is within the limit: a machine that others use too is late now and
// then, but not every time.
export async function measureAgain(measure, limit, what, attempts = 6) {
  const taken = [];
  do {
    taken.push(await measure());
  } while (taken.at(-1) > limit && taken.length < attempts);
  if (taken.at(-1) > limit) throw new Error(`${what}: ${taken}, and ${limit} at most is promised`);
  return taken.at(-1);
}

// A check of what a machine that others use too does not do every time, such as playing a video
// without leaving a picture out.
export async function tryAgain(check, attempts = 5) {
  for (let left = attempts; ; --left) {
    try {
      return await check();
    } catch (error) {
      if (left === 1) throw error;
      console.log(`# ${error.message.split('\n')[0]}; once more`);
    }
  }
}

export function writeDownProblems(page) {
  page.problems = [];
  page.setDefaultTimeout(60_000);
  page.on('pageerror', (error) => page.problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') page.problems.push(message.text());
  });
  return page;
}

// A page of a browser of its own, which writes down what goes wrong in it (page.problems).
// `options` as Playwright's.
export async function openBrowser(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'framering-chromium-'));
  const browser = await chromium.launchPersistentContext(profile, {
    executablePath: kChromium, headless: true, args: kArguments, viewport: {width: 1280, height: 860},
    timeout: 120_000, ...options,
  });
  const page = writeDownProblems(browser.pages()[0] ?? await browser.newPage());
  return {
    page,
    browser,
    async close() {
      await browser.close().catch(() => {});
      await rm(profile, {recursive: true, force: true}).catch(() => {});
    },
  };
}

// A browser with a window, in a process of its own: {child, endpoint}; `profile` is a new folder.
export async function startChromium(profile, env) {
  const child = spawn(kChromium, [...kArguments, `--user-data-dir=${profile}`, '--remote-debugging-port=0',
                                  '--no-default-browser-check', '--window-size=1280,900', 'about:blank'],
                      {env, stdio: ['ignore', 'ignore', 'pipe']});
  let log = '';
  child.stderr.on('data', (data) => { log += data; });
  const endpoint = await until(() => /DevTools listening on (ws:\S+)/.exec(log)?.[1], 30, 'Chromium is ready');
  return {child, endpoint};
}

const tests = [];
export const test = (name, run) => tests.push({name, run});

// Runs the tests one after the other, then `cleanUp`; ends the process.
export async function runTests(cleanUp) {
  let failures = 0;
  console.log(`1..${tests.length}`);
  for (const [index, {name, run}] of tests.entries()) {
    try {
      await run();
      console.log(`ok ${index + 1} - ${name}`);
    } catch (error) {
      ++failures;
      console.log(`not ok ${index + 1} - ${name}`);
      console.log(String(error.stack ?? error).replace(/^/gm, '# '));
    }
  }
  await cleanUp();
  process.exit(failures ? 1 : 0);
}
