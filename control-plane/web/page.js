// The page: which stream, the player and its numbers, the chat beside it.

import { account } from './account.js';
import { Dialog } from './dialog.js';
import { el } from './dom.js';
import { showLive } from './livelist.js';
import { Player } from './player.js';
import { Room } from './room.js';
import { Session } from './session.js';
import { Social } from './social.js';
import { Source } from './source.js';
import { Stats } from './stats.js';

const ID = /^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/;
const BEHIND_S = 4;           // the button to go to live shows

const video = el('video');

const params = new URLSearchParams(location.search);
const stream = params.get('stream') ?? 'demo';

const messages = {
  loading: () => 'Loading …',
  playing: () => 'Playing live.',
  offline: (reason) => reason || `“${stream}” is not live. The picture starts `
    + 'by itself when it is.',
  error: (reason) => `Playback broke off (${reason}). Trying again …`,
  ended: () => 'The broadcast is over. The next one starts by itself.',
  stopped: () => '',
};

el('stream').value = stream;
showLive(el('live-now'), el('live-list'), stream);

if (ID.test(stream)) {
  watch();

} else {
  document.body.dataset.state = 'error';
  el('message').textContent = 'That is not the name of a stream. A name is '
    + 'up to 64 letters, digits, “_” and “-”.';
}

function watch() {
  const session = new Session();
  const dialog = new Dialog();
  const source = new Source(stream, session);
  const player = new Player(video, source);
  const stats = new Stats(player);
  const social = new Social(stream, session, dialog);

  el('stream-name').textContent = stream;
  document.title = `${stream} – Live`;

  player.addEventListener('state', () => {
    document.body.dataset.state = player.state;
    el('message').textContent = messages[player.state](player.reason);
  });

  sound();
  el('go-live').addEventListener('click', () => player.goLive());

  setInterval(() => show(stats.read()), 500);

  // A token is somebody's: another one from here on. What plays goes on with
  // what it has, unless that was of who has just logged out.
  session.addEventListener('user', () => {
    source.forget();

    if (!session.user || player.state !== 'playing') {
      player.start();
    }
  });

  const room = new Room(stream, source, session, dialog);

  social.addEventListener('follow', () => {
    source.forget();
    room.chat.reconnect();
  });

  account(session, dialog);
  player.start();
  room.start();
  social.start();

  // For the browser's console, and for tests.
  globalThis.live = { player, stats, session, chat: room.chat };
}

// Browsers start a video by itself only without sound.
function sound() {
  const button = el('unmute');
  const update = () => { button.hidden = !video.muted; };

  button.addEventListener('click', () => {
    video.muted = false;
    video.play().catch(() => {});
    video.focus();
  });

  video.addEventListener('volumechange', update);
  update();
}

function show(s) {
  const number = (v, digits, unit) => (Number.isFinite(v)
    ? `${v.toFixed(digits)} ${unit}` : '–');
  const live = s.state === 'playing';
  const values = {
    latency: number(live ? s.latency : NaN, 2, 's'),
    behind: number(live ? s.behind : NaN, 2, 's'),
    buffer: number(s.buffer, 2, 's'),
    bitrate: number(s.bitrate / 1e6, 2, 'Mb/s'),
    picture: s.width ? `${s.width} × ${s.height}` : '–',
    dropped: Number.isFinite(s.frames) ? `${s.dropped} of ${s.frames}` : '–',
    stalls: s.stalls ? `${s.stalls} (${(s.stalledMs / 1000).toFixed(1)} s)`
      : 'none',
    engine: s.engine || '–',
  };

  for (const [name, text] of Object.entries(values)) {
    const node = document.querySelector(`[data-stat="${name}"]`);

    if (node.textContent !== text) {
      node.textContent = text;
    }
  }

  el('go-live').hidden = !(live && s.behind > BEHIND_S);
}
