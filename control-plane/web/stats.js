// What a viewer and a test want to know of a running player.
//
//   const stats = new Stats(player);
//   stats.read()   { latency, behind, buffer, bitrate, width, height, ... }
//
// A stall is a stop of the picture that nobody asked for, after it first moved.

import { buffered } from './sync.js';

export class Stats {
  constructor(player) {
    const { video } = player;

    this.player = player;
    this.stalls = 0;
    this.stalledMs = 0;
    this.stalledSince = 0;
    this.moved = false;
    this.problems = [];

    video.addEventListener('waiting', () => {
      if (this.moved && !video.seeking && !video.paused && !video.ended) {
        this.#stallBegins();
      }
    });

    for (const type of ['playing', 'pause', 'ended', 'emptied']) {
      video.addEventListener(type, () => this.#stallEnds());
    }

    video.addEventListener('emptied', () => { this.moved = false; });
    video.addEventListener('timeupdate', () => {
      if (!video.paused && video.currentTime > 0) {
        this.moved = true;
        this.#stallEnds();
      }
    });

    player.addEventListener('problem', ({ detail }) => {
      this.problems.push({ at: Date.now(), ...detail });
      this.problems.splice(0, this.problems.length - 100);
    });
  }

  #stallBegins() {
    if (!this.stalledSince) {
      this.stalls++;
      this.stalledSince = performance.now();
    }
  }

  #stallEnds() {
    if (this.stalledSince) {
      this.stalledMs += performance.now() - this.stalledSince;
      this.stalledSince = 0;
    }
  }

  read() {
    const { player } = this;
    const { video, hls } = player;
    const quality = video.getVideoPlaybackQuality?.();
    const level = hls?.levels[hls.currentLevel] ?? hls?.levels[0];
    const since = this.stalledSince ? performance.now() - this.stalledSince : 0;

    return {
      state: player.state,
      reason: player.reason,
      engine: player.engine,
      time: video.currentTime,
      paused: video.paused,
      latency: (Date.now() - player.shownDate) / 1000,
      behind: player.behind,
      target: hls?.targetLatency ?? NaN,
      buffer: buffered(video),
      rate: video.playbackRate,
      bitrate: level?.bitrate ?? NaN,
      width: video.videoWidth,
      height: video.videoHeight,
      frames: quality?.totalVideoFrames ?? NaN,
      dropped: quality?.droppedVideoFrames ?? NaN,
      stalls: this.stalls,
      stalledMs: Math.round(this.stalledMs + since),
      reloads: player.reloads,
      problems: this.problems,
    };
  }
}
