// Plays one live stream in a video element: hls.js in low-latency mode, or the
// browser's own player where that is the better one (Safari).
//
//   const player = new Player(video, new Source('demo'));
//   player.addEventListener('state', () => player.state, player.reason);
//   player.start();  player.goLive();  player.stop();
//
// States: 'loading', 'playing', 'offline' (nothing to play now; asked again),
// 'error' (the source is loaded anew), 'ended' (the broadcast is over; plays
// the next one), 'stopped'.

import { Offline } from './source.js';
import { LiveSync } from './sync.js';

const RETRY_MS = [500, 1000, 2000, 4000];
const OFFLINE_MS = 2000;

// WebKit alone has this; Chromium's native HLS knows no low latency.
const isSafari = 'WebKitPlaybackTargetAvailabilityEvent' in globalThis;

// The buffer of a low-latency player is about a second: the first retries after
// a lost connection have to come sooner than hls.js' own, a second apart.
function quickRetries(defaults) {
  const names = ['manifestLoadPolicy', 'playlistLoadPolicy', 'fragLoadPolicy'];

  return Object.fromEntries(names.map((name) => {
    const policy = structuredClone(defaults[name].default);

    policy.errorRetry = { ...policy.errorRetry, retryDelayMs: 100,
      maxRetryDelayMs: 4000, backoff: 'exponential', maxNumRetry: 6 };

    return [name, { default: policy }];
  }));
}

export class Player extends EventTarget {
  constructor(video, source) {
    super();
    this.video = video;
    this.source = source;
    this.url = '';
    this.state = 'stopped';
    this.reason = '';
    this.engine = '';
    this.hls = null;
    this.reloads = 0;
    this.failures = 0;
    this.timer = 0;
    this.sync = null;
    this.run = 0;               // what an earlier run still does is void

    video.addEventListener('playing', () => {
      if (this.state !== 'stopped') {
        this.failures = 0;
        this.#set('playing');
      }
    });
    video.addEventListener('ended', () => this.#ended());
    video.addEventListener('error', () => {
      if (!this.hls && this.state !== 'stopped' && video.error) {
        this.#failed(`the browser's player: ${video.error.message
          || video.error.code}`);
      }
    });
  }

  async start() {
    this.#clear();
    const run = this.run;

    // A further attempt does not change what the viewer is told.
    if (this.state === 'stopped' || this.state === 'ended') {
      this.#set('loading');
    }

    try {
      const url = await this.source.url();

      if (run !== this.run) {
        return;
      }

      this.url = url;

      if (isSafari) {
        this.#native();
        return;
      }

      const { default: Hls } = await import('./hls.min.mjs');

      if (run !== this.run) {
        return;
      }

      if (Hls.isSupported()) {
        this.#hlsjs(Hls);

      } else {
        this.#native();
      }

    } catch (error) {
      if (run !== this.run) {
        return;
      }

      if (error instanceof Offline) {
        this.#offline(error.message);

      } else {
        this.#failed(String(error));
      }
    }
  }

  stop() {
    this.#clear();
    this.video.removeAttribute('src');
    this.video.load();
    this.#set('stopped');
  }

  goLive() {
    const { video, hls } = this;

    this.sync?.live();

    const edge = hls ? hls.liveSyncPosition
      : video.seekable.length ? video.seekable.end(0) - 1 : null;

    if (Number.isFinite(edge)) {
      video.currentTime = edge;
    }

    video.play().catch(() => {});
  }

  // When the frame that is shown was at the server, ms since the epoch.
  get shownDate() {
    const { video, hls } = this;

    if (hls) {
      return hls.playingDate?.getTime() ?? NaN;
    }

    const start = video.getStartDate?.().getTime() ?? NaN;

    return start + video.currentTime * 1000;
  }

  // Seconds behind the newest that is there.
  get behind() {
    const { video, hls } = this;

    if (hls) {
      return hls.latency;
    }

    return video.seekable.length
      ? video.seekable.end(video.seekable.length - 1) - video.currentTime : NaN;
  }

  #set(state, reason = '') {
    if (state !== this.state || reason !== this.reason) {
      this.state = state;
      this.reason = reason;
      this.dispatchEvent(new Event('state'));
    }
  }

  #clear() {
    this.run++;
    clearTimeout(this.timer);
    this.sync?.stop();
    this.sync = null;
    this.hls?.destroy();
    this.hls = null;
  }

  #later(ms) {
    this.#clear();
    this.timer = setTimeout(() => {
      this.reloads++;
      this.start();
    }, ms);
  }

  #failed(reason) {
    const ms = RETRY_MS[Math.min(this.failures++, RETRY_MS.length - 1)];

    this.#later(ms);
    this.#set('error', reason);
  }

  #offline(reason = '') {
    this.#later(OFFLINE_MS);
    this.#set('offline', reason);
  }

  #native() {
    if (!this.video.canPlayType('application/vnd.apple.mpegurl')) {
      this.#set('error', 'this browser plays no HLS');
      return;
    }

    this.engine = 'the browser';
    this.video.src = this.url;
    this.video.play().catch(() => {});
  }

  #hlsjs(Hls) {
    const hls = new Hls({
      lowLatencyMode: true,
      maxLiveSyncPlaybackRate: 1,       // see sync.js
      // a stall costs latency until the page is left: a second by default
      liveSyncOnStallIncrease: 0.3,
      // No backBufferLength: the browser evicts what was played by itself. When
      // hls.js removes it, it forgets which parts of the current segment it has
      // loaded, and may then wait at that segment's end for ever.
      ...quickRetries(Hls.DefaultConfig),
    });

    this.hls = hls;
    this.sync = new LiveSync(this.video, () => ({
      behind: hls.latency || NaN,
      target: hls.targetLatency ?? NaN,
      part: hls.latestLevelDetails?.partTarget ?? 0,
    }), () => this.goLive());
    this.engine = `hls.js ${Hls.version}`;

    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      this.video.play().catch(() => {});
    });

    hls.on(Hls.Events.ERROR, (event, data) => {
      this.dispatchEvent(new CustomEvent('problem', {
        detail: { fatal: data.fatal, what: data.details,
          status: data.response?.code },
      }));

      if (!data.fatal || hls !== this.hls) {
        return;
      }

      if (data.response?.code === 401 || data.response?.code === 403) {
        this.source.forget();
      }

      if (data.response?.code === 404 || data.response?.code === 410) {
        this.#offline();

      } else {
        this.#failed(data.details);
      }
    });

    hls.loadSource(this.url);
    hls.attachMedia(this.video);
  }

  // ENDLIST: what was there has been played. The stream may begin again.
  async #ended() {
    if (this.state === 'stopped' || !this.video.ended) {
      return;
    }

    const list = this.hls?.levels[0]?.uri;

    this.#clear();
    const run = this.run;

    this.#set('ended');

    while (run === this.run) {
      await new Promise((resolve) => { setTimeout(resolve, OFFLINE_MS); });

      if (run !== this.run) {
        return;
      }

      try {
        const answer = await fetch(list ?? this.url, { cache: 'no-store' });

        if (answer.status === 401 || answer.status === 403) {
          this.source.forget();
          break;
        }

        if (answer.ok && !(await answer.text()).includes('#EXT-X-ENDLIST')) {
          break;
        }

      } catch {
        // asked again
      }
    }

    if (run === this.run) {
      this.start();
    }
  }
}
