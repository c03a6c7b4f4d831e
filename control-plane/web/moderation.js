// The moderators' tab: the room's rules, what waits for a decision, what was
// reported, who is banned, and which words are not let through. What is done to
// a message or its author is in actions.js, polls are in polls.js.
//
//   const moderation = new Moderation(chat, session, { panel, badge });
//   moderation.visible(true);
//   moderation.settings(settings);     // as the room tells them
//   moderation.held(message); moderation.flagged(); moderation.decided(id);

import { button, duration, el, h, plural, setText } from './dom.js';

const SLOW = [[0, 'off'], [5000, '5 s'], [10_000, '10 s'], [30_000, '30 s'],
  [60_000, '1 min'], [300_000, '5 min']];
const MODES = [['all', 'everybody'], ['followers', 'followers'],
  ['subscribers', 'subscribers'], ['emote', 'everybody, emotes only']];
const PAGE = '?limit=100';
const SAVED_MS = 5000;

export class Moderation {
  constructor(chat, session, { badge }) {
    this.chat = chat;
    this.session = session;
    this.badge = badge;
    this.path = `/streams/${chat.stream}/moderation`;
    this.shown = false;
    this.queue = new Map();   // id → message
    this.flags = 0;

    el('rules').addEventListener('change', (event) =>
      this.#change(event.target));
    el('words-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#addWords();
    });
    el('raid-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#run('raid', this.session.api('POST',
        `/streams/${chat.stream}/raid`,
        { stream: el('raid-stream').value.trim() }), 'Your viewers have been '
          + 'told.');
    });
    el('notice-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#run('system', this.session.api('POST',
        `/streams/${chat.stream}/chat/events`,
        { event: 'system', text: el('system-text').value.trim() }), '')
        .then((ok) => ok && el('notice-form').reset());
    });

    el('slow').replaceChildren(...SLOW.map(([value, text]) =>
      h('option', { value }, text)));
    el('mode').replaceChildren(...MODES.map(([value, text]) =>
      h('option', { value }, text)));
  }

  visible(yes) {
    this.shown = yes;

    if (yes) {
      this.refresh();
    }
  }

  refresh() {
    return Promise.all([this.#queue(), this.#flags(), this.#bans(),
      this.#words()]);
  }

  settings({ slow_ms: slow, mode, links, unique, hold, max_length: length }) {
    if (!SLOW.some(([value]) => value === slow)
      && !el('slow').querySelector(`[value="${slow}"]`)) {
      el('slow').append(h('option', { value: slow }, duration(slow / 1000)));
    }

    el('slow').value = slow;
    el('mode').value = mode;
    el('no-links').checked = !links;
    el('unique').checked = unique;
    el('hold').checked = hold;
    el('max-length').value = length;
  }

  held(message) {
    this.queue.set(message.id, { ...message, since: Date.now() });
    this.#drawQueue();
  }

  decided(id) {
    if (this.queue.delete(id)) {
      this.#drawQueue();
    }
  }

  flagged() {
    this.flags++;
    this.#count();

    if (this.shown) {
      this.#flags();
    }
  }

  banned() {
    if (this.shown) {
      // the control plane has it within a second
      clearTimeout(this.bansTimer);
      this.bansTimer = setTimeout(() => this.#bans(), 1500);
    }
  }

  forget() {
    this.queue.clear();
    this.flags = 0;
    this.#drawQueue();
  }

  #count() {
    const n = this.queue.size + this.flags;

    this.badge.hidden = n === 0;
    setText(this.badge, n > 99 ? '99+' : `${n}`);
    this.badge.setAttribute('aria-label', `${plural(n, 'message')} to look at`);
  }

  // What went wrong stands beside what was tried.
  async #run(where, promise, done) {
    const node = el(`${where}-problem`);

    try {
      await promise;
      setText(node, done);
      node.hidden = !done;
      return true;

    } catch (error) {
      setText(node, error.message);
      node.hidden = false;
      return false;
    }
  }

  async #change(input) {
    const settings = {
      slow: () => ({ slow_ms: Number(input.value) }),
      mode: () => ({ mode: input.value }),
      'no-links': () => ({ links: !input.checked }),
      unique: () => ({ unique: input.checked }),
      hold: () => ({ hold: input.checked }),
      'max-length': () => ({ max_length: Number(input.value) }),
    }[input.id]();

    if (!await this.#run('rules', this.session.api('PATCH',
      `${this.path}/settings`, { settings }), '')) {
      this.settings(this.chat.settings);
    }
  }

  // ---- held messages

  async #queue() {
    try {
      const { items } = await this.session.api('GET',
        `${this.path}/queue${PAGE}`);

      this.queue = new Map([
        ...[...this.queue].filter(([, { since }]) =>
          Date.now() - since < SAVED_MS),
        ...items.map((item) => [item.id, item])]);
      this.#drawQueue();

    } catch {
      // what the room told is there
    }
  }

  #drawQueue() {
    el('queue').replaceChildren(...[...this.queue.values()].map((message) =>
      h('li', { 'data-held': message.id },
        h('p', {}, h('b', {}, message.name ?? 'Somebody'), ' ',
          h('span', { dir: 'auto' }, message.text)),
        h('div', { class: 'line' },
          button('Approve', () => this.#decide(message.id, 'approve')),
          button('Reject', () => this.#decide(message.id, 'reject'),
            { class: 'danger' })))));
    el('queue-empty').hidden = this.queue.size > 0;
    this.#count();
  }

  async #decide(id, decision) {
    const path = `${this.path}/queue/${id}`;

    if (await this.#run('queue', this.#patiently(id, () =>
      this.session.api('POST', path, { decision })), '')) {
      this.decided(id);
      this.chat.dispatchEvent(new CustomEvent('decided',
        { detail: { id, decision } }));

    } else {
      this.queue.delete(id);
      this.#queue();
    }
  }

  // What came just now takes the control plane a moment to know.
  async #patiently(id, ask) {
    try {
      return await ask();

    } catch (problem) {
      if (problem.status !== 404
        || !(Date.now() - this.queue.get(id)?.since < SAVED_MS)) {
        throw problem;
      }

      await new Promise((resolve) => { setTimeout(resolve, 700); });

      return this.#patiently(id, ask);
    }
  }

  // ---- reports

  async #flags() {
    try {
      const { items } = await this.session.api('GET',
        `${this.path}/flags${PAGE}`);

      this.flags = items.length;
      el('flags').replaceChildren(...items.map((flag) => this.#flag(flag)));
      el('flags-empty').hidden = items.length > 0;
      this.#count();

    } catch {
      // asked again
    }
  }

  #flag({ id, reason, message }) {
    const done = () => this.#run('flags', this.session.api('DELETE',
      `${this.path}/flags/${id}`), '').then(() => this.#flags());

    return h('li', {},
      h('p', {}, h('b', {}, message?.name ?? 'Somebody'), ' ',
        h('span', { dir: 'auto' }, message?.text ?? 'a message that has gone')),
      reason && h('p', { class: 'quiet', dir: 'auto' }, `“${reason}”`),
      h('div', { class: 'line' },
        message?.status === 'ok' && button('Delete it', async () => {
          await this.#run('flags', this.session.api('DELETE',
            `${this.path}/messages/${message.id}`), '');
          done();
        }, { class: 'danger' }),
        button('It is all right', done)));
  }

  // ---- bans

  async #bans() {
    try {
      const { items } = await this.session.api('GET',
        `${this.path}/bans${PAGE}`);

      el('bans').replaceChildren(...items.map((ban) => this.#ban(ban)));
      el('bans-empty').hidden = items.length > 0;

    } catch {
      // asked again
    }
  }

  #ban({ id, kind, user, until, shadow, reason }) {
    const left = until ? duration((Date.parse(until) - Date.now()) / 1000) : '';
    const who = user?.display_name || user?.username
      || (kind === 'addr' ? 'an address' : 'a device');

    return h('li', { 'data-ban': id },
      h('p', {}, h('b', {}, who), ' ',
        h('span', { class: 'quiet' }, shadow ? 'without being told'
          : until ? 'timed out' : 'banned', left && `, ${left} left`,
        reason && `: ${reason}`)),
      button('Lift', () => this.#run('bans', this.session.api('DELETE',
        `${this.path}/bans/${id}`), '').then(() => this.#bans()),
      { class: 'plain', 'aria-label': `Lift the ban of ${who}` }));
  }

  // ---- words

  async #words() {
    try {
      const { items } = await this.session.api('GET',
        `${this.path}/words${PAGE}`);

      el('words').replaceChildren(...items.map(({ id, word, kind, action }) =>
        h('li', { class: 'word' },
          h('span', { dir: 'auto' }, word),
          h('span', { class: 'quiet' }, ` ${action}${kind === 'pattern'
            ? ', pattern' : ''} `),
          button('✕', () => this.#run('words', this.session.api('DELETE',
            `${this.path}/words/${id}`), '').then(() => this.#words()),
          { class: 'plain', 'aria-label': `Let “${word}” through again` }))));

    } catch {
      // asked again
    }
  }

  async #addWords() {
    const words = el('word').value.split(',').map((word) => word.trim())
      .filter(Boolean);

    if (words.length && await this.#run('words', this.session.api('POST',
      `${this.path}/words`, { words, action: el('word-action').value }), '')) {
      el('word').value = '';
      this.#words();
    }
  }
}
