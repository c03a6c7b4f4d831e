// What the audience asks: the questions that wait for an answer, by how many
// want to hear it.
//
//   const questions = new Questions(chat, session, { list, empty, tell });
//   questions.visible(true);           // looked at: kept up to date
//   questions.asked(message);  questions.gone(id);
//
// Upvotes are counted by the control plane, and asked for while somebody looks.

import { isModerator } from './actions.js';
import { button, colorOf, h, setText } from './dom.js';

const EVERY_MS = 6000;
const SHOWN = 50;
const SAVED_MS = 5000;

export class Questions {
  constructor(chat, session, { list, empty, tell }) {
    this.chat = chat;
    this.session = session;
    this.list = list;
    this.empty = empty;
    this.tell = tell;
    this.items = new Map();   // id → { text, name, upvotes … }
    this.voted = new Set();
    this.rows = new Map();    // id → its nodes
    this.shown = false;
    this.timer = 0;
    this.path = `/streams/${chat.stream}/questions`;
  }

  visible(yes) {
    this.shown = yes;
    clearTimeout(this.timer);

    if (yes) {
      this.#draw();
      this.#ask();
    }
  }

  asked({ id, user, name, text, status }) {
    if (!status && !this.items.has(id)) {
      this.items.set(id, { id, user, name, text, upvotes: 0,
        since: Date.now() });
      this.#draw();
    }
  }

  gone(id) {
    if (this.items.delete(id)) {
      this.#draw();
    }
  }

  clear() {
    this.items.clear();
    this.voted.clear();
    this.rows.clear();
    this.#draw();
  }

  async #ask() {
    try {
      const { items } = await this.session.api('GET',
        `${this.path}?limit=${SHOWN}`);
      const told = new Set(items.map(({ id }) => id));

      for (const [id, { since }] of [...this.items]) {
        // what was asked just now takes a moment to be there
        if (!told.has(id) && !(Date.now() - since < SAVED_MS)) {
          this.items.delete(id);
        }
      }

      for (const item of items) {
        this.items.set(item.id, item);
      }

      this.#draw();

    } catch {
      // asked again
    }

    if (this.shown) {
      this.timer = setTimeout(() => this.#ask(),
        EVERY_MS * (0.75 + Math.random() / 2));
    }
  }

  // Rows stay the same nodes: somebody may be about to press a button.
  #draw() {
    if (!this.shown) {
      return;
    }

    const sorted = [...this.items.values()]
      .sort((a, b) => b.upvotes - a.upvotes || (a.id < b.id ? 1 : -1))
      .slice(0, SHOWN);
    const nodes = sorted.map((item) => this.#row(item));
    const old = [...this.list.children];

    if (old.length !== nodes.length || nodes.some((n, i) => n !== old[i])) {
      const focused = document.activeElement;

      this.list.replaceChildren(...nodes);

      if (this.list.contains(focused)) {
        focused.focus();
      }
    }

    for (const id of [...this.rows.keys()]) {
      if (!this.items.has(id)) {
        this.rows.delete(id);
      }
    }

    this.empty.hidden = nodes.length > 0;
  }

  #row({ id, user, name, text, upvotes }) {
    const { role, write } = this.chat.you ?? {};
    const voted = this.voted.has(id);
    let row = this.rows.get(id);

    if (!row) {
      const count = h('span');
      const vote = button([h('span', { 'aria-hidden': 'true' }, '▲'), count],
        () => this.#upvote(id), { class: 'upvote' });

      row = { count, vote, node: h('li', { class: 'row question-row' },
        vote,
        h('div', {},
          h('b', { class: `name ${colorOf(user ?? '')}` }, name ?? 'Somebody'),
          h('p', { dir: 'auto' }, text)),
        isModerator(role)
          && button('Answered', () => this.#answered(id),
            { class: 'plain' })) };
      this.rows.set(id, row);
    }

    setText(row.count, `${upvotes}`);
    row.vote.disabled = !write || voted;
    row.vote.setAttribute('aria-pressed', voted);
    row.vote.setAttribute('aria-label',
      `I want to hear this too, ${upvotes} so far`);

    return row.node;
  }

  async #upvote(id) {
    const item = this.items.get(id);

    try {
      await this.chat.say({ type: 'upvote', id });
      this.voted.add(id);
      item.upvotes++;
      this.#draw();

    } catch (error) {
      this.tell(error.message);
    }
  }

  async #answered(id) {
    try {
      await this.session.api('POST', `${this.path}/${id}/answered`);
      this.gone(id);

    } catch (error) {
      this.tell(error.message);
    }
  }
}
