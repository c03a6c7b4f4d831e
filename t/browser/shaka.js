// shaka-player on a stream, as a page would use it: low latency, and a watchdog
// that goes to live when it is more than 8 s behind. Tells the same as the
// page of hls.js: live.stats.read().

const { shaka } = globalThis;
const video = document.getElementById('video');
const stream = new URLSearchParams(location.search).get('stream');
const problems = [];
let stalls = 0;
let moved = false;

shaka.polyfill.installAll();

const player = new shaka.Player();

await player.attach(video);

player.configure({
  streaming: {
    lowLatencyMode: true,
    liveSync: { enabled: true },
    preferNativeHls: false,
  },
});

player.addEventListener('error', ({ detail }) => {
  problems.push({ at: Date.now(), fatal: detail.severity === 2,
    what: `shaka ${detail.code}`, data: String(detail.data) });
});

player.addEventListener('buffering', ({ buffering }) => {
  stalls += buffering && moved;
});

video.addEventListener('timeupdate', () => {
  moved ||= video.currentTime > 0 && !video.paused;
});

const behind = () => player.seekRange().end - video.currentTime;

setInterval(() => {
  if (moved && behind() > 8) {
    video.currentTime = player.seekRange().end;
  }
}, 1000);

globalThis.live = {
  player,
  stats: {
    read: () => ({
      state: moved && !video.paused ? 'playing' : 'loading',
      engine: `shaka ${shaka.Player.version}`,
      time: video.currentTime,
      behind: behind(),
      buffer: player.getStats().bufferingTime,
      width: video.videoWidth,
      height: video.videoHeight,
      stalls,
      reloads: 0,
      problems,
    }),
  },
};

for (;;) {
  try {
    await player.load(`/live/${stream}/index.m3u8`);
    await video.play();
    break;
  } catch (error) {
    problems.push({ at: Date.now(), fatal: true, what: String(error) });
    await new Promise((resolve) => { setTimeout(resolve, 1000); });
  }
}
