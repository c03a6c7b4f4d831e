// The chat beside the player: what the room says goes to the parts that show
// it, and what is done in them to the room.
//
//   const room = new Room('demo', source, session, dialog);
//   room.start();
//
// Without a control plane nobody logs in: who gives a name writes under it,
// where the server allows that.

import { askToLogIn } from './account.js';
import { Actions, isModerator, rank } from './actions.js';
import { Chat } from './chat.js';
import { Composer } from './composer.js';
import { button, duration, el, h, plural, setText } from './dom.js';
import { MessageList, ROLES } from './messages.js';
import { Moderation } from './moderation.js';
import { Polls } from './polls.js';
import { Questions } from './questions.js';
import { Reactions } from './reactions.js';
import { Offline } from './source.js';

const TABS = ['talk', 'questions', 'moderate'];
const GUEST = 'live.guest';
const MODES = { all: 'Everybody may write.',
  followers: 'Only followers may write now.',
  subscribers: 'Only subscribers may write now.',
  emote: 'Only emotes may be sent now.' };

export class Room {
  constructor(stream, source, session, dialog) {
    this.stream = stream;
    this.session = session;
    this.dialog = dialog;
    this.tokens = true;
    this.rules = null;

    const chat = new Chat(stream, {
      credentials: () => this.#credentials(source),
      forget: () => source.forget(),
    });

    this.chat = chat;
    this.list = new MessageList({ list: el('messages'), newer: el('newer') }, {
      name: () => chat.you?.name ?? '',
      act: (message) => this.actions.open(message),
    });
    this.composer = new Composer(chat, {
      names: () => [...this.list.names.values()].reverse(),
      // nobody sees it yet, but who wrote it
      held: (message) => {
        if (!this.list.get(message.id)) {
          this.list.add({ ...message, ...chat.you, status: 'held' });
        }
      },
    });
    this.actions = new Actions(chat, dialog, {
      reply: (message) => {
        this.#tab('talk');
        this.composer.replyTo(message);
      },
      mention: (name) => this.composer.mention(name),
      tell: (text) => this.composer.tell(text),
    });
    this.reactions = new Reactions(
      { buttons: el('reactions'), floats: el('floats') },
      (reaction) => chat.react(reaction));
    this.polls = new Polls(chat, session, { card: el('poll'),
      form: el('poll-new'), dialog,
      note: (text) => this.list.note(text, 'note event') });
    this.questions = new Questions(chat, session, { list: el('questions'),
      empty: el('questions-empty'), tell: (text) => {
        setText(el('questions-problem'), text);
        el('questions-problem').hidden = !text;
      } });
    this.moderation = new Moderation(chat, session,
      { badge: el('moderate-badge') });

    this.#listen();
    this.#tabs();
    this.#guest();
  }

  start() {
    this.chat.start();
  }

  async #credentials(source) {
    try {
      const token = await source.token();
      const name = sessionStorage.getItem(GUEST);

      this.tokens = token !== '';

      return token ? { token } : name ? { name } : {};

    } catch (error) {
      if (error instanceof Offline) {
        return null;
      }

      throw error;
    }
  }

  // ---- the connection

  #listen() {
    const { chat } = this;

    chat.addEventListener('state', () => this.#state());
    chat.addEventListener('hello', ({ detail }) => this.#hello(detail));
    chat.addEventListener('message', ({ detail }) => this.#heard(detail));
    chat.addEventListener('problem', ({ detail }) => {
      if (sessionStorage.getItem(GUEST) && !chat.you?.write) {
        // the name was refused: one reads, and may try another
        sessionStorage.removeItem(GUEST);
        setText(el('guest-problem'), detail.message);
        el('guest-problem').hidden = false;

      } else {
        this.composer.tell(detail.message);
      }
    });
    chat.addEventListener('lost', () => this.list.note(
      'Some messages were missed here while the chat was not connected.',
      'note lost'));
    chat.addEventListener('decided', ({ detail }) => {
      if (detail.decision === 'reject') {
        this.list.remove(detail.id);
      }
    });

    this.session.addEventListener('user', () => {
      this.list.clear();
      this.questions.clear();
      this.moderation.forget();
      this.polls.show(null);
      this.#pin(null);
      this.#tab('talk');
      this.composer.tell('');
      chat.restart();
    });

    el('members').addEventListener('click', () => chat.ask('who'));
    el('chat-retry').addEventListener('click', () => chat.reconnect());
    el('join-login').addEventListener('click', () =>
      askToLogIn(this.session, this.dialog));
    el('unpin').addEventListener('click', () => chat.say({ type: 'pin',
      id: null }).catch((error) => this.composer.tell(error.message)));
    setInterval(() => this.#state(), 1000);
  }

  #state() {
    const { chat } = this;
    const { state } = chat;
    const node = el('chat-state');
    const wait = Math.max(1, Math.ceil((chat.next - Date.now()) / 1000));
    const text = {
      connecting: chat.connects ? 'Reconnecting …' : 'Connecting …',
      waiting: wait > 3 ? 'The chat is not connected. Trying again soon …'
        : 'Reconnecting …',
      banned: 'You are banned from this chat.',
      refused: 'This chat is not open to you.',
    }[state] ?? '';

    // without a chat the player has the page for itself
    el('chat').hidden = state === 'none';
    document.body.dataset.chat = state;
    node.hidden = text === '';
    setText(el('chat-state-text'), text);
    el('chat-retry').hidden = !['banned', 'refused', 'waiting']
      .includes(state) || (state === 'waiting' && wait <= 3);
    this.reactions.enable(state === 'open' && chat.you?.write);
    this.composer.update();
    this.#join();
  }

  #join() {
    const { chat, session, tokens } = this;
    const out = chat.state === 'open' && !chat.you.write;

    el('join').hidden = !out;
    el('join-login').hidden = !tokens || session.user !== null;
    el('guest').hidden = tokens;
  }

  #guest() {
    el('guest').addEventListener('submit', (event) => {
      event.preventDefault();
      sessionStorage.setItem(GUEST, el('guest-name').value.trim());
      el('guest-problem').hidden = true;
      this.list.clear();
      this.chat.restart();
    });
  }

  #hello(hello) {
    const { role } = hello.you;

    if (hello.again && hello.resumed === false) {
      this.list.clear();
      this.questions.clear();
    }

    this.#members(hello);
    this.#settings(hello.settings, true);
    this.#pin(hello.pinned ?? null);
    el('tab-moderate').hidden = !isModerator(role) || !this.tokens;
    el('host-tools').hidden = rank(role) < rank('co-host');
    el('unpin').hidden = !isModerator(role);
    el('tab-questions').hidden = !this.tokens;
    el('chat-text').placeholder = hello.you.write
      ? `Say something as ${hello.you.name}` : 'Say something';

    if (!el('tab-moderate').hidden) {
      this.moderation.refresh();
    }

    this.polls.open(hello.poll);
  }

  // ---- what the room says

  #heard(message) {
    const { list } = this;

    switch (message.type) {
      case 'message':
      case 'question':
        this.#message(message);
        break;

      case 'delete':
        list.remove(message.id);
        this.questions.gone(message.id);
        this.moderation.decided(message.id);
        break;

      case 'clear':
        list.removeOf(message.user);
        break;

      case 'timeout':
      case 'ban':
      case 'unban':
        this.#banned(message);
        break;

      case 'flag':
        this.moderation.flagged();
        break;

      case 'pin':
        this.#pin(message.id === null ? null : message.message ?? null);
        break;

      case 'poll':
        this.polls.show(message.poll);
        break;

      case 'event':
        this.#event(message);
        break;

      case 'settings':
        this.#settings(message.settings, false);
        break;

      case 'reactions':
        this.reactions.came(message.counts);
        break;

      case 'presence':
        this.#members(message);
        break;

      case 'who':
        this.#who(message);
        break;

      default:
        // of a later version of the protocol
    }
  }

  #message(message) {
    const { you } = this.chat;

    this.list.add(message);

    if (message.type === 'question') {
      this.questions.asked(message);
    }

    if (message.status === 'held' && isModerator(you?.role)) {
      this.moderation.held(message);

    } else if (!message.status) {
      this.moderation.decided(message.id);
    }
  }

  #banned({ type, user, seconds, reason }) {
    const { you } = this.chat;
    const name = this.list.names.get(user) ?? 'Somebody';
    const length = seconds ? ` for ${duration(seconds)}` : '';
    const why = reason ? `: ${reason}` : '.';

    this.moderation.banned();

    if (type === 'unban') {
      this.list.note(`${name} may write again.`);

    } else if (user === you?.user) {
      this.composer.tell(type === 'timeout'
        ? `You may not write${length}${why}`
        : `You were banned from this chat${length}${why}`,
      { until: seconds ? Date.now() + seconds * 1000 : 0 });

    } else {
      this.list.note(type === 'timeout'
        ? `${name} may not write${length}${why}`
        : `${name} was banned${length}${why}`);
    }
  }

  #event({ event }) {
    const { data = {}, text = '' } = event;
    const who = data.name ?? 'Somebody';

    if (event.event === 'raid') {
      this.#raid(data);
      return;
    }

    const said = text ? ` “${text}”` : '';
    const line = {
      gift: () => `🎁 ${who} gives ${data.count > 1 ? `${data.count} × ` : ''}${
        data.item ?? 'a gift'}.${said}`,
      tip: () => `💛 ${who} tips ${money(data)}.${said}`,
      system: () => `📣 ${text}`,
    }[event.event];

    this.list.note(line ? line() : text || 'Something happened.',
      `note event event-${line ? event.event : 'other'}`);
  }

  #raid({ stream, title, username }) {
    const url = `?stream=${encodeURIComponent(stream)}`;

    el('raid').replaceChildren(
      h('p', {}, h('b', {}, 'Raid!'), ` The host sends everybody to ${
        title || stream}${username ? ` by ${username}` : ''}.`),
      h('div', { class: 'line' },
        h('a', { class: 'button', href: url }, 'Go there'),
        button('Stay', () => { el('raid').hidden = true; },
          { class: 'plain' })));
    el('raid').hidden = false;
    this.list.note(`Raid to ${title || stream}.`, 'note event event-raid');
  }

  // ---- the room

  #members({ members, who }) {
    setText(el('members'), `${members.toLocaleString('en')} here`);

    for (const { user, name } of who ?? []) {
      if (!this.list.names.has(user)) {
        this.list.names.set(user, name);
      }
    }
  }

  // Asked for by the button that says how many there are.
  #who({ members, named, who = [] }) {
    const more = named - who.length;
    const readers = members - named;

    this.dialog.open('In this chat',
      h('ul', { class: 'plain-list' }, who.map(({ name, role }) =>
        h('li', {}, ROLES[role] && h('span', { class: `role role-${role}` },
          ROLES[role][0]), name))),
      h('p', { class: 'quiet' }, [
        more > 0 && `and ${plural(more, 'other name')}`,
        readers > 0 && `${plural(readers, 'reader')} without a name`]
        .filter(Boolean).join(', ')));
  }

  // What has changed is said in the list, once it was known.
  #settings(settings, quiet) {
    const before = this.rules;

    this.rules = settings;
    this.moderation.settings(settings);
    this.composer.update();

    if (quiet || !before) {
      return;
    }

    if (before.slow_ms !== settings.slow_ms) {
      this.list.note(settings.slow_ms ? `Slow mode: one message in ${
        duration(settings.slow_ms / 1000)}.` : 'Slow mode is off.');
    }

    if (before.mode !== settings.mode) {
      this.list.note(MODES[settings.mode]);
    }

    if (before.hold !== settings.hold) {
      this.list.note(settings.hold ? 'A moderator looks at messages before '
        + 'they are shown.' : 'Messages are shown at once.');
    }
  }

  #pin(message) {
    el('pinned').hidden = !message;

    if (message) {
      setText(el('pinned-name'), message.name ?? '');
      setText(el('pinned-text'), message.text);
    }
  }

  // ---- tabs

  #tabs() {
    const tablist = el('tab-talk').parentElement;

    for (const name of TABS) {
      el(`tab-${name}`).addEventListener('click', () => this.#tab(name));
    }

    tablist.addEventListener('keydown', (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      const shown = TABS.filter((name) => !el(`tab-${name}`).hidden);
      const at = shown.findIndex((name) =>
        el(`tab-${name}`) === document.activeElement);

      if (step && at >= 0) {
        const next = shown[(at + step + shown.length) % shown.length];

        event.preventDefault();
        this.#tab(next);
        el(`tab-${next}`).focus();
      }
    });
  }

  #tab(name) {
    for (const tab of TABS) {
      const chosen = tab === name;

      el(`tab-${tab}`).setAttribute('aria-selected', chosen);
      el(`tab-${tab}`).setAttribute('tabindex', chosen ? '0' : '-1');
      el(`panel-${tab}`).hidden = !chosen;
    }

    this.questions.visible(name === 'questions');
    this.moderation.visible(name === 'moderate');

    if (name === 'talk' && this.list.follows) {
      this.list.toEnd();
    }
  }
}

function money({ amount, currency }) {
  try {
    const format = new Intl.NumberFormat(undefined, { style: 'currency',
      currency });
    const { maximumFractionDigits: digits } = format.resolvedOptions();

    return format.format(amount / 10 ** digits);

  } catch {
    return 'something';
  }
}
