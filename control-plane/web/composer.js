// The box that messages are written in: how long they may be, how soon the
// next one may come, what it answers, whom it names, and why it was refused.
//
//   const composer = new Composer(chat, { names: () => […],
//     held: (message) => … });          // it waits for a moderator
//   composer.update();                  // the room, or who one is, has changed
//   composer.replyTo(message);  composer.mention(name);
//   composer.tell('text', { until });   // a notice; with a time it counts down

import { rank } from './actions.js';
import { duration, el, h, setText } from './dom.js';
import { handle } from './messages.js';

const WARN = 80;              // code points left
const NAMES = 6;

export class Composer {
  constructor(chat, { names, held }) {
    this.chat = chat;
    this.names = names;
    this.held = held;
    this.reply = null;
    this.slow = false;        // by slow mode, or by a rate:
    this.slowUntil = 0;
    this.notice = null;       // { text, until }
    this.busy = false;
    this.choice = -1;

    this.form = el('say');
    this.text = el('chat-text');
    this.send = el('send');
    this.asQuestion = el('as-question');

    this.form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.text.addEventListener('input', () => {
      this.#grow();
      this.#suggest();
      this.#show();
    });
    this.text.addEventListener('keydown', (event) => this.#key(event));
    this.text.addEventListener('blur', () => this.#suggest(true));
    el('reply-cancel').addEventListener('click', () => this.replyTo(null));

    setInterval(() => this.#show(), 500);
  }

  get writes() {
    return this.chat.state === 'open' && this.chat.you?.write;
  }

  update() {
    el('compose').hidden = !this.chat.you?.write;

    if (this.slow && !this.chat.settings?.slow_ms) {
      this.slow = false;
      this.slowUntil = 0;
    }

    this.#show();
  }

  replyTo(message) {
    this.reply = message;
    el('replying').hidden = !message;

    if (message) {
      setText(el('reply-name'), message.name ?? 'Somebody');
      setText(el('reply-text'), message.text);
      this.text.focus();
    }
  }

  mention(name) {
    const space = this.text.value && !this.text.value.endsWith(' ') ? ' ' : '';

    this.text.value += `${space}${handle(name)} `;
    this.text.focus();
    this.#show();
  }

  tell(text, { until = 0 } = {}) {
    this.notice = text ? { text, until, since: Date.now() } : null;
    this.#show();
  }

  // ---- sending

  async #submit() {
    const text = this.text.value.replace(/\s+/g, ' ').trim();
    const { reply } = this;

    if (!text || this.#left(text) < 0 || this.busy || !this.writes
      || this.slowUntil > Date.now()) {
      return;
    }

    const type = this.asQuestion.checked ? 'question' : 'message';

    this.busy = true;
    this.text.value = '';
    this.asQuestion.checked = false;
    this.replyTo(null);
    this.#grow();
    this.#show();

    try {
      const { id, held } = await this.chat.say({ type, text,
        ...(reply && type === 'message' ? { reply_to: reply.id } : {}) });

      if (held) {
        this.held({ type, id, text, time: Date.now() });
      }

      const { slow_ms: slowMs } = this.chat.settings;

      this.slow = slowMs > 0 && rank(this.chat.you.role) < rank('vip');
      this.slowUntil = this.slow ? Date.now() + slowMs : 0;
      this.tell('');

    } catch (error) {
      this.#refused(error);

      // unless the next one is being written already
      if (!this.text.value) {
        this.text.value = text;
        this.asQuestion.checked = type === 'question';
        this.replyTo(reply);
        this.#grow();
      }

    } finally {
      this.busy = false;
      this.#show();
    }
  }

  #refused({ code, message, retryMs = 0 }) {
    const until = retryMs ? Date.now() + retryMs : 0;

    if (code === 'slow_mode' || code === 'rate_limited') {
      this.slow = code === 'slow_mode';
      this.slowUntil = until;
      this.tell(message);

    } else {
      this.tell(message, { until });
    }
  }

  // ---- what is seen

  // Code points, as the room counts them.
  #left(text) {
    return (this.chat.settings?.max_length ?? 500) - [...text].length;
  }

  #show() {
    const left = this.#left(this.text.value);
    const wait = this.slowUntil - Date.now();

    el('left').hidden = left > WARN;
    setText(el('left'), `${left}`);
    el('left').classList.toggle('over', left < 0);
    this.text.setAttribute('aria-invalid', left < 0);
    this.send.disabled = this.busy || wait > 0 || left < 0 || !this.writes;
    setText(this.send, wait > 0 ? duration(wait / 1000) : 'Send');
    this.#showNotice();
  }

  #showNotice() {
    const now = Date.now();

    if (this.notice && (this.notice.until ? this.notice.until <= now
      : now - this.notice.since > 10_000)) {
      this.notice = null;
    }

    const { notice } = this;
    const node = el('notice');

    node.hidden = !notice;

    if (notice) {
      setText(el('notice-text'), notice.text);
      // counts by itself: not read out each second
      setText(el('notice-time'), notice.until
        ? duration((notice.until - now) / 1000) : '');
    }
  }

  #grow() {
    this.text.style.height = 'auto';
    this.text.style.height = `${Math.min(this.text.scrollHeight + 2, 120)}px`;
  }

  // ---- names

  #key(event) {
    const list = el('names');

    if (!list.hidden && ['ArrowDown', 'ArrowUp', 'Tab', 'Enter', 'Escape']
      .includes(event.key)) {
      const n = list.children.length;

      event.preventDefault();

      if (event.key === 'Escape') {
        this.#suggest(true);

      } else if (event.key === 'Tab' || event.key === 'Enter') {
        list.children[Math.max(this.choice, 0)].click();

      } else {
        this.#choose((this.choice + (event.key === 'ArrowDown' ? 1 : n - 1))
          % n);
      }

      return;
    }

    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.form.requestSubmit();

    } else if (event.key === 'Escape' && this.reply) {
      this.replyTo(null);
    }
  }

  #choose(i) {
    const list = el('names');

    this.choice = i;

    for (const [n, item] of [...list.children].entries()) {
      item.setAttribute('aria-selected', n === i);
    }

    this.text.setAttribute('aria-activedescendant',
      list.children[i]?.id ?? '');
  }

  #suggest(close = false) {
    const list = el('names');
    const before = this.text.value.slice(0, this.text.selectionStart);
    const [, begun] = /(?:^|\s)(@\S{1,32})$/.exec(before) ?? [];
    const fits = close || !begun ? [] : this.names().map(handle)
      .filter((name, i, all) => all.indexOf(name) === i
        && name.toLocaleLowerCase().startsWith(begun.toLocaleLowerCase()))
      .slice(0, NAMES);

    list.hidden = fits.length === 0;
    this.text.setAttribute('aria-expanded', fits.length > 0);
    list.replaceChildren(...fits.map((name, i) => h('li', {
      id: `name-${i}`, role: 'option',
      onmousedown: (event) => event.preventDefault(),
      onclick: () => this.#complete(begun, name),
    }, name)));
    this.#choose(fits.length ? 0 : -1);
  }

  #complete(begun, name) {
    const at = this.text.selectionStart;
    const { value } = this.text;

    this.text.value = `${value.slice(0, at - begun.length)}${name} ${
      value.slice(at)}`;
    this.#suggest(true);
    this.text.focus();
    this.#show();
  }
}
