// The list of messages. It keeps the last ones; it follows what is new until
// the reader scrolls up, and from then on shows how much there is below.
//
//   const list = new MessageList({ list, newer }, { name: () => 'Ann',
//     act: (message, row) => … });        // somebody chose a message
//   list.add(message);  list.note('text', 'kind');
//   list.remove(id);  list.removeOf(user);  list.clear();

import { colorOf, h, plural, setText } from './dom.js';

const KEPT = 200;             // while the end is seen …
const KEPT_AT_MOST = 400;     // … and while the reader is further up
const NEAR_PX = 60;
const BUSY = 6;               // messages in 5 s that are too many to be read out
const TIME = new Intl.DateTimeFormat(undefined, { timeStyle: 'short' });

export const ROLES = {
  owner: ['Host', 'is the host'],
  'co-host': ['Co-host', 'is a co-host'],
  moderator: ['Mod', 'is a moderator'],
  vip: ['VIP', 'is a VIP'],
  subscriber: ['Sub', 'subscribes'],
};

export class MessageList {
  constructor({ list, newer }, { name, act }) {
    this.list = list;
    this.newer = newer;
    this.name = name;
    this.act = act;
    this.rows = new Map();    // id → { node, message }
    this.names = new Map();   // user → name, the last ones
    this.unseen = 0;
    this.follows = true;
    this.recent = [];
    this.queue = [];
    this.drawing = 0;

    list.addEventListener('scroll', () => this.#scrolled(), { passive: true });
    list.addEventListener('keydown', (event) => this.#key(event));
    newer.addEventListener('click', () => {
      this.toEnd();
      list.focus({ preventScroll: true });
    });

    // a virtual keyboard, a turned phone
    new ResizeObserver(() => this.follows && this.toEnd()).observe(list);
  }

  get(id) {
    return this.rows.get(id)?.message;
  }

  add(message) {
    const known = this.rows.get(message.id);

    if (message.user && message.name) {
      this.names.delete(message.user);
      this.names.set(message.user, message.name);

      if (this.names.size > 500) {
        this.names.delete(this.names.keys().next().value);
      }
    }

    if (known) {
      const node = this.#row(message);

      known.node.replaceWith(node);
      this.rows.set(message.id, { node, message });
      return;
    }

    const node = this.#row(message);

    this.rows.set(message.id, { node, message });
    this.#append(node, message.user !== undefined);
  }

  // A line of the page's own: what happened in the room.
  note(text, kind = 'note', ...more) {
    this.#append(h('li', { class: `row ${kind}` }, text, ...more), true);
  }

  remove(id) {
    const row = this.rows.get(id);

    if (row) {
      this.rows.delete(id);
      this.queue = this.queue.filter((node) => node !== row.node);

      if (row.node.contains(document.activeElement)) {
        this.list.focus({ preventScroll: true });
      }

      row.node.remove();
    }
  }

  removeOf(user) {
    for (const [id, { message }] of [...this.rows]) {
      if (message.user === user) {
        this.remove(id);
      }
    }
  }

  clear() {
    this.rows.clear();
    this.queue = [];
    this.list.replaceChildren();
    this.toEnd();
  }

  toEnd() {
    this.follows = true;
    this.unseen = 0;
    this.newer.hidden = true;
    this.list.scrollTop = this.list.scrollHeight;
  }

  // ---- drawing: once a frame, whatever the rate

  #append(node, counts) {
    this.queue.push(node);
    this.unseen += counts && !this.follows;

    if (this.queue.length > KEPT) {
      this.#forget(this.queue.shift());
    }

    // a page that is not seen draws no frames
    if (!this.drawing) {
      this.drawing = document.hidden
        ? setTimeout(() => this.#draw(), 200)
        : requestAnimationFrame(() => this.#draw());
    }
  }

  #draw() {
    const { list } = this;

    this.drawing = 0;
    this.#hush(this.queue.length);
    list.append(...this.queue);
    this.queue = [];

    while (list.children.length > (this.follows ? KEPT : KEPT_AT_MOST)) {
      this.#forget(list.firstElementChild);
    }

    if (this.follows) {
      list.scrollTop = list.scrollHeight;

    } else {
      setText(this.newer, this.unseen > 99 ? '99+ new messages'
        : plural(this.unseen, 'new message'));
      this.newer.hidden = this.unseen === 0;
    }
  }

  #forget(node) {
    node.remove();

    if (this.rows.get(node.dataset.id)?.node === node) {
      this.rows.delete(node.dataset.id);
    }
  }

  // Nobody listens to a crowd: screen readers are told of a busy room's
  // messages no more, until it is quiet again.
  #hush(n) {
    const now = performance.now();

    this.recent.push(...Array(Math.min(n, BUSY)).fill(now));
    this.recent = this.recent.filter((t) => now - t < 5000).slice(-BUSY);

    const live = this.recent.length < BUSY ? 'polite' : 'off';

    if (this.list.getAttribute('aria-live') !== live) {
      this.list.setAttribute('aria-live', live);
    }
  }

  #scrolled() {
    const { list } = this;

    this.follows = list.scrollHeight - list.scrollTop - list.clientHeight
      < NEAR_PX;

    if (this.follows) {
      this.unseen = 0;
      this.newer.hidden = true;
    }
  }

  // The list is one stop of the Tab key; arrows go from message to message.
  #key(event) {
    const rows = [...this.list.children];
    const at = rows.indexOf(document.activeElement.closest?.('li'));
    const to = { ArrowUp: at < 0 ? rows.length - 1 : at - 1,
      ArrowDown: at + 1, Home: 0, End: rows.length - 1 }[event.key];

    if (to !== undefined && rows[to]) {
      event.preventDefault();
      rows[to].setAttribute('tabindex', '-1');
      rows[to].focus();

    } else if (event.key === 'Enter' && at >= 0
      && event.target === rows[at]) {
      event.preventDefault();
      rows[at].querySelector('.more')?.click();

    } else if (event.key === 'Escape') {
      this.list.focus({ preventScroll: true });
    }
  }

  // ---- one message

  #row(message) {
    const { id, user, name, role, text, status, time } = message;
    const me = this.name();
    const mine = me && mentions(text, me);
    const reply = message.reply_to && this.get(message.reply_to);
    const badge = ROLES[role];
    const kind = ['row', 'message', mine && 'mentioned',
      status && `is-${status}`, message.type === 'question' && 'question'];

    const node = h('li', { class: kind.filter(Boolean).join(' '),
      'data-id': id, 'data-user': user },
    message.reply_to && h('p', { class: 'reply' }, reply
      ? ['↳ ', h('b', {}, reply.name ?? 'Somebody'), ` ${reply.text}`]
      : '↳ an earlier message'),
    h('p', { class: 'said' },
      badge && h('span', { class: `role role-${role}`, title: badge[1] },
        badge[0]),
      message.type === 'question' && h('span', { class: 'role' }, 'Question'),
      h('b', { class: `name ${colorOf(user ?? '')}` }, name ?? 'Somebody'),
      h('span', { class: 'visually-hidden' }, ': '),
      h('span', { class: 'text', dir: 'auto' }, ...linked(text, me)),
      time && h('time', { datetime: new Date(time).toISOString() },
        TIME.format(time)),
      status && h('span', { class: 'status' }, status === 'held'
        ? 'waits for a moderator' : 'only moderators see this')),
    h('button', { type: 'button', class: 'more', tabindex: '-1',
      'aria-haspopup': 'dialog',
      'aria-label': `Actions for the message of ${name ?? 'somebody'}`,
      onclick: () => this.act(this.rows.get(id)?.message ?? message, node),
    }, '⋯'));

    return node;
  }
}

// A mention is one word: names lose their spaces in it.
export const handle = (name) => `@${name.replace(/\s/g, '')}`;

function mentions(text, name) {
  const like = handle(name).toLocaleLowerCase();

  return text.toLocaleLowerCase().split(/\s+/)
    .some((word) => word.replace(/[.,:;!?)]+$/, '') === like);
}

// Links and mentions, as nodes and texts.
function linked(text, me) {
  return text.split(/(\s+)/).map((word) => {
    if (/^https?:\/\/[^\s]{3,}$/i.test(word) && URL.canParse(word)) {
      return h('a', { href: new URL(word).href, target: '_blank',
        rel: 'noopener noreferrer nofollow ugc' }, word);
    }

    if (/^@\S/.test(word)) {
      return h('span', { class: me && mentions(word, me) ? 'mention me'
        : 'mention' }, word);
    }

    return word;
  });
}
