// Keeps a low-latency player near the live edge: plays a little faster while it
// is further behind than the stream asks for, and jumps when it is far behind.
// hls.js has such a thing (maxLiveSyncPlaybackRate), which stops as soon as less
// than a second is buffered: with parts of 200 ms it never gets to where the
// stream wants it.
//
//   const sync = new LiveSync(video, () => ({ behind, target, part }));
//   sync.stop();
//
// behind: seconds behind the edge; target: how many it should be; part: length
// of a part, 0 without. All three NaN or null: nothing is done.

const TICK_MS = 100;

const FASTEST = 1.5;
const BEGIN_S = 0.12;           // over the target
const END_S = 0.03;
const SPARE_S = 0.2;            // in the buffer, over one part

// A viewer who has fallen far behind (a slow machine, a page in the background)
// is taken back to live, unless it was by choice.
const FAR_S = 6;
const FAR_MS = 3000;
const TOUCH_MS = 1000;

export class LiveSync {
  constructor(video, state, goLive) {
    this.video = video;
    this.state = state;
    this.goLive = goLive;
    this.faster = false;
    this.rewound = false;       // the viewer wants to be behind
    this.touched = -TOUCH_MS;
    this.farSince = performance.now();
    this.ended = new AbortController();

    const { signal } = this.ended;
    const on = (type, listener) => video.addEventListener(type, listener,
      { signal, passive: true });

    // Players seek too: a viewer's seek comes with a touch of the controls.
    for (const type of ['pointerdown', 'pointermove', 'touchmove', 'keydown']) {
      on(type, () => { this.touched = performance.now(); });
    }

    on('seeking', () => {
      if (performance.now() - this.touched < TOUCH_MS) {
        this.rewound = this.state().behind > FAR_S;
      }
    });

    // Browsers pause hidden videos by themselves.
    on('pause', () => {
      this.rewound ||= !video.ended && !document.hidden;
    });

    this.timer = setInterval(() => this.#tick(), TICK_MS);
  }

  stop() {
    clearInterval(this.timer);
    this.ended.abort();
    this.#rate(1);
  }

  live() {
    this.rewound = false;
  }

  #tick() {
    const { video } = this;
    const { behind, target, part } = this.state();
    const now = performance.now();
    const over = behind - target;

    if (video.paused || this.rewound || !Number.isFinite(over)) {
      this.farSince = now;
      this.faster = false;
      this.#rate(1);
      return;
    }

    if (!(behind > FAR_S)) {
      this.farSince = now;

    } else if (now - this.farSince > FAR_MS) {
      this.farSince = now;
      this.goLive();
      return;
    }

    this.faster = over > (this.faster ? END_S : BEGIN_S);

    const spare = buffered(video) - part - SPARE_S;

    // in steps of 0.05, and never into an empty buffer
    this.#rate(this.faster && spare > 0
      ? Math.min(FASTEST, 1 + Math.ceil(Math.min(over, spare * 2) * 6) / 20)
      : 1);
  }

  #rate(rate) {
    if (this.video.playbackRate !== rate) {
      this.video.playbackRate = rate;
    }
  }
}

// Seconds that are buffered in front of the play head.
export function buffered({ buffered: ranges, currentTime }) {
  for (let i = 0; i < ranges.length; i++) {
    if (ranges.start(i) <= currentTime + 0.1 && currentTime < ranges.end(i)) {
      return ranges.end(i) - currentTime;
    }
  }

  return 0;
}
