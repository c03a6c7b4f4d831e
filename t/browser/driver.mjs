// Drives Chromium for the tests: one JSON command a line on stdin, one JSON
// answer a line on stdout.
//
//   {"cmd":"open","name":"a","url":"http://...","width":1280,"height":720,
//    "scheme":"dark","motion":"reduce"}
//   {"cmd":"read","name":"a"}     what the page's live.stats.read() says, and
//                                 what the monitor saw since "reset"
//   {"cmd":"reset","name":"a"}
//   {"cmd":"eval","name":"a","js":"document.title"}
//   {"cmd":"fill","name":"a","at":"#text","text":"hi"}     as a user does it
//   {"cmd":"press","name":"a","key":"Enter"}
//   {"cmd":"click","name":"a","at":"#send"}
//   {"cmd":"shot","name":"a","path":"x.png"}
//   {"cmd":"close","name":"a"}    {"cmd":"quit"}
//
// Each page has a browser context, and so connections, storage and cookies, of
// its own. "read" also has the X-Pid and X-Node of the last WebSocket's
// handshake, which the server may send. The monitor looks at the video element ten times a second, and reads the clock that
// scripts/run burns into the demo's picture.

import { createInterface } from 'node:readline';

import { chromium } from 'playwright-core';

const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic',
  '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
  '--autoplay-policy=no-user-gesture-required'];

// Runs in the page.
function monitor() {
  const canvas = document.createElement('canvas');
  const context = canvas.getContext('2d', { willReadFrequently: true });
  const SQUARES = 20;
  const TRACE = 400;
  let s;

  const reset = () => {
    s = { samples: 0, advanced: 0, time: -1, since: performance.now(),
      freeze: 0, jumps: [], waiting: 0, clocks: [], bad: 0, lags: [],
      trace: [] };
  };

  // The wall clock in the picture, ms modulo 65536; -1: none to be read.
  const clock = (video) => {
    const { videoWidth: w, videoHeight: h } = video;
    const row = Math.round(h / 15);

    canvas.width = w;
    canvas.height = row;
    context.drawImage(video, 0, h - row, w, row, 0, 0, w, row);

    const { data } = context.getImageData(0, Math.floor(row / 2), w, 1);
    const bits = Array.from({ length: SQUARES }, (_, i) => {
      const x = Math.floor((i + 0.5) * w / SQUARES);
      return data[4 * x + 1] > 127 ? 1 : 0;
    });

    if (!bits[0] || bits[1] || bits[18] || !bits[19]) {
      return -1;
    }

    let bit = 0;
    let value = 0;

    for (const gray of bits.slice(2, 18)) {
      bit ^= gray;
      value = value * 2 + bit;
    }

    return value;
  };

  // What led to a freeze: when, for how long it stands, where, how much there
  // is to play, how fast it plays.
  const trace = (video, now) => {
    const { buffered } = video;
    const end = buffered.length ? buffered.end(buffered.length - 1) : NaN;

    s.trace.push([Date.now(), Math.round(now - s.since),
      video.currentTime.toFixed(3), (end - video.currentTime).toFixed(3),
      video.playbackRate, video.readyState].join(' '));
    s.trace.splice(0, s.trace.length - TRACE);
  };

  const look = () => {
    const video = document.querySelector('video');
    const now = performance.now();

    if (!video || !video.videoWidth) {
      return;
    }

    if (!video.monitored) {
      video.monitored = true;
      video.addEventListener('waiting', () => { s.waiting += !video.seeking; });
    }

    s.samples++;

    if (video.currentTime !== s.time) {
      const step = video.currentTime - s.time;

      if (s.time >= 0 && (step < 0 || step > 1 + (now - s.since) / 500)) {
        s.jumps.push([s.time, video.currentTime]);
      }

      s.advanced++;
      s.time = video.currentTime;
      s.since = now;
    }

    s.freeze = Math.max(s.freeze, now - s.since);
    trace(video, now);

    const ms = clock(video);

    if (ms < 0) {
      s.bad++;
    } else {
      s.clocks.push(ms);
      s.lags.push((Date.now() - ms) & 0xffff);
    }
  };

  const read = () => {
    const lags = [...s.lags].sort((a, b) => a - b);

    return { samples: s.samples, advanced: s.advanced, freeze: s.freeze,
      jumps: s.jumps, waiting: s.waiting, unreadable: s.bad,
      clocks: new Set(s.clocks).size, lag: lags[lags.length >> 1] ?? -1,
      lagMax: lags[lags.length - 1] ?? -1, trace: s.trace };
  };

  reset();
  setInterval(look, 100);
  globalThis.monitor = { read, reset };
}

let browser;
const pages = new Map();

async function open({ name, url, width = 1280, height = 720,
  scheme = 'light', motion = 'no-preference' }) {
  browser ??= await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: FLAGS,
  });

  const context = await browser.newContext({ viewport: { width, height },
    colorScheme: scheme, reducedMotion: motion });
  const page = await context.newPage();
  const log = [];

  page.on('console', (m) => {
    if (m.type() === 'error' || m.type() === 'warning') {
      log.push(`${m.type()}: ${m.text()}`);
    }
  });
  page.on('pageerror', (e) => log.push(`exception: ${e.message}`));
  page.on('response', (r) => {
    if (r.status() >= 400) {
      log.push(`${r.status()} ${r.url()}`);
    }
  });

  page.on('dialog', (d) => {
    log.push(`dialog: ${d.message()}`);
    d.dismiss();
  });

  const entry = { page, context, log, pid: 0, node: '' };
  const devtools = await context.newCDPSession(page);

  devtools.on('Network.webSocketHandshakeResponseReceived', (e) => {
    entry.pid = Number(e.response.headers['X-Pid'] ?? 0);
    entry.node = e.response.headers['X-Node'] ?? '';
  });
  await devtools.send('Network.enable');

  await page.addInitScript(monitor);
  await page.goto(url);
  pages.set(name, entry);
}

async function run(command) {
  const entry = pages.get(command.name);

  switch (command.cmd) {
    case 'open':
      return open(command);

    case 'read':
      return {
        log: entry.log,
        pid: entry.pid,
        node: entry.node,
        ...await entry.page.evaluate(() => ({
          stats: globalThis.live?.stats.read() ?? null,
          monitor: globalThis.monitor.read(),
        })),
      };

    case 'reset':
      entry.log.length = 0;
      return entry.page.evaluate(() => globalThis.monitor.reset());

    case 'eval':
      return entry.page.evaluate(command.js);

    case 'fill':
      return entry.page.fill(command.at, command.text, { timeout: 5000 });

    case 'press':
      return entry.page.keyboard.press(command.key);

    case 'click':
      return entry.page.click(command.at, { timeout: 5000 });

    case 'shot':
      return void await entry.page.screenshot({ path: command.path });

    case 'close':
      pages.delete(command.name);
      return void await entry.context.close();

    case 'quit':
      await browser?.close();
      return null;

    default:
      throw new Error(`unknown command ${command.cmd}`);
  }
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  let answer;

  try {
    answer = { value: await run(command) ?? null };
  } catch (error) {
    answer = { error: String(error) };
  }

  process.stdout.write(`${JSON.stringify(answer)}\n`);

  if (command.cmd === 'quit') {
    process.exit(0);
  }
}

await browser?.close();
