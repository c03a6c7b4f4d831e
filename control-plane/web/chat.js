// A member of a stream's room: the connection, and what is to be known of it.
// The protocol is live.chat.v1 (ngx_live_module/chat/README.md). No DOM here.
//
//   const chat = new Chat('demo', { credentials, forget });
//     credentials: async, members of the hello ({ token }), or null: one may
//     not even read; forget: they were refused, the next ones have to be others
//   chat.addEventListener('state', () => chat.state);
//   chat.addEventListener('hello', ({ detail }) => …);    // each time
//   chat.addEventListener('message', ({ detail }) => …);  // what the room says
//   chat.addEventListener('lost', …);       // something was said meanwhile that
//                                           // cannot be had any more
//   chat.start();
//   const { id, held } = await chat.say({ type: 'message', text: 'hi' });
//   chat.restart();                         // as somebody else, from the start
//   chat.reconnect();                       // with other rights, from here on
//
// States: 'connecting', 'open', 'waiting' (for the next attempt, at chat.next),
// 'banned', 'refused', 'none' (nobody serves chat here), 'stopped'. The connection is made anew whenever it is lost; the room is then
// asked for what has been missed, by offset and epoch. What was being said is
// sent again, unless what was missed shows that it had arrived.

const PROTOCOL = 'live.chat.v1';
const BACKOFF_MS = [500, 1000, 2000, 4000, 8000, 15_000];
const RESTART_MS = 2000;      // a server that restarts closes everybody
const REFUSED_MS = 60_000;    // banned, or refused: perhaps not for ever
const QUIET_MS = 25_000;      // nothing heard for so long: still there?
const PONG_MS = 8000;
const ANSWER_MS = 15_000;

export class ChatError extends Error {
  constructor(code, message, retryMs = 0) {
    super(message);
    this.code = code;
    this.retryMs = retryMs;
  }
}

export class Chat extends EventTarget {
  constructor(stream, { credentials, forget = () => {} }) {
    super();
    this.stream = stream;
    this.credentials = credentials;     // async: members of the hello
    this.forget = forget;               // they were refused
    this.state = 'stopped';
    this.reason = '';
    this.next = 0;
    this.you = null;
    this.settings = null;
    this.connects = 0;
    this.socket = null;
    this.offset = '';
    this.epoch = '';
    this.failures = 0;
    this.refs = 0;
    this.waiting = new Map();           // ref → what was said, and who waits
    this.run = 0;
    this.timer = 0;
    this.watch = 0;
    this.error = '';                    // the last that came without a ref

    addEventListener('online', () => {
      if (this.state === 'waiting') {
        this.#connect();
      }
    });
  }

  start() {
    if (this.state === 'stopped') {
      this.#connect();
    }
  }

  stop() {
    this.#drop();
    this.#fail('stopped', 'The chat was left.');
    this.#set('stopped');
  }

  restart() {
    this.stop();
    this.offset = '';
    this.epoch = '';
    this.you = null;
    this.failures = 0;
    this.start();
  }

  // As the same one, whose rights have changed: goes on where it is.
  reconnect() {
    if (this.state !== 'stopped') {
      this.failures = 0;
      this.#connect();
    }
  }

  // Resolves with the answer when the room has it.
  say(message) {
    if (this.state !== 'open') {
      return Promise.reject(new ChatError('offline',
        'The chat is not connected.'));
    }

    return new Promise((resolve, reject) => {
      const ref = `r${++this.refs}`;
      const entry = { message: { ...message, ref }, resolve, reject,
        timer: setTimeout(() => {
          this.waiting.delete(ref);
          reject(new ChatError('timeout', 'The chat did not answer.'));
        }, ANSWER_MS) };

      this.waiting.set(ref, entry);
      this.socket.send(JSON.stringify(entry.message));
    });
  }

  // What is answered by a message of its own.
  ask(type) {
    if (this.state === 'open') {
      this.socket.send(JSON.stringify({ type }));
    }
  }

  // Reactions are answered only when they are refused.
  react(reaction) {
    if (this.state === 'open') {
      this.socket.send(JSON.stringify({ type: 'reaction', reaction }));
    }
  }

  #set(state, reason = '') {
    if (state !== this.state || reason !== this.reason) {
      this.state = state;
      this.reason = reason;
      this.dispatchEvent(new Event('state'));
    }
  }

  #drop() {
    this.run++;
    clearTimeout(this.timer);
    clearTimeout(this.watch);

    if (this.socket) {
      this.socket.close(1000);
      this.socket = null;
    }
  }

  #fail(code, text) {
    for (const { reject, timer } of this.waiting.values()) {
      clearTimeout(timer);
      reject(new ChatError(code, text));
    }

    this.waiting.clear();
  }

  async #connect() {
    this.#drop();
    this.#set('connecting');

    const run = this.run;
    let who;

    try {
      who = await this.credentials();
    } catch {
      who = undefined;
    }

    if (run !== this.run) {
      return;
    }

    if (!who) {
      if (who === null) {
        this.#refused('refused');

      } else {
        this.#later();
      }

      return;
    }

    const url = new URL(`/chat/${this.stream}`, location);

    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';

    const socket = new WebSocket(url, PROTOCOL);
    let opened = false;

    this.socket = socket;
    this.error = '';
    this.#watch(run);

    socket.addEventListener('open', () => {
      opened = true;
      socket.send(JSON.stringify({ type: 'hello', ...who,
        ...(this.epoch ? { offset: this.offset, epoch: this.epoch } : {}) }));
    });

    socket.addEventListener('message', ({ data }) => {
      if (run === this.run) {
        this.#watch(run);
        this.#heard(JSON.parse(data));
      }
    });

    socket.addEventListener('close', ({ code, reason }) => {
      if (run === this.run) {
        this.socket = null;
        this.#closed(code, reason, opened);
      }
    });
  }

  // A connection that says nothing may be dead without either side knowing.
  #watch(run) {
    clearTimeout(this.watch);

    this.watch = setTimeout(() => {
      if (this.state === 'open') {
        this.socket.send('{"type":"ping"}');
      }

      this.watch = setTimeout(() => {
        if (run === this.run) {
          this.#drop();
          this.#later();
        }
      }, PONG_MS);
    }, QUIET_MS);
  }

  async #closed(code, reason, opened) {
    clearTimeout(this.watch);

    if (!opened && this.failures === 1 && !await this.#isServed()) {
      this.#fail('none', 'There is no chat here.');
      this.#set('none');
      return;
    }

    if (code === 1008 && this.error === 'banned') {
      this.#fail('banned', 'You are banned from this chat.');
      this.#refused('banned');
      return;
    }

    if (code === 1008) {
      this.forget();

      if (!this.error) {
        this.#tell('problem', { code: 'closed', message: reason });
      }
    }

    if (code === 1012 && this.failures === 0) {
      this.failures++;
      this.#later(Math.random() * RESTART_MS);
      return;
    }

    this.#later();
  }

  #refused(state) {
    const run = ++this.run;

    this.#set(state);
    this.timer = setTimeout(() => {
      if (run === this.run) {
        this.#connect();
      }
    }, REFUSED_MS);
  }

  #later(ms) {
    const limit = BACKOFF_MS[Math.min(this.failures, BACKOFF_MS.length - 1)];
    const wait = ms ?? limit * (0.5 + Math.random() / 2);

    if (ms === undefined) {
      this.failures++;
    }

    clearTimeout(this.timer);
    this.next = Date.now() + wait;
    this.#set('waiting', this.error);
    this.timer = setTimeout(() => this.#connect(), wait);
  }

  // Browsers do not say why a WebSocket was refused: what does a plain
  // request get?
  async #isServed() {
    try {
      const { status } = await fetch(`/chat/${this.stream}`,
        { cache: 'no-store' });

      return status !== 404 && status !== 405;

    } catch {
      return true;
    }
  }

  #heard(message) {
    switch (message.type) {
      case 'hello':
        this.#hello(message);
        return;

      case 'ok':
        this.#answer(message.ref, ({ resolve }) => resolve(message));
        return;

      case 'pong':
        return;

      case 'error':
        this.#wrong(message);
        return;

      default:
        this.#told(message);
    }
  }

  // What cannot be read has no ref in its answer.
  #wrong({ code, message, ref, retry_ms: retryMs }) {
    const [only] = this.waiting.size === 1 ? this.waiting.keys() : [];

    if (!this.#answer(ref ?? only, ({ reject }) => reject(
      new ChatError(code, message, retryMs)))) {
      this.#tell('problem', { code, message });
    }

    this.error = code;
  }

  #hello(hello) {
    const { messages = [], ...rest } = hello;

    this.failures = 0;
    this.connects++;
    this.you = hello.you;
    this.settings = hello.settings;
    this.epoch = hello.epoch;

    this.#tell('hello', { ...rest, again: this.offset !== '' });

    if (hello.resumed === false) {
      this.#tell('lost', {});
    }

    for (const message of messages) {
      this.#told(message);
    }

    this.offset = hello.offset;
    this.#set('open');
    this.#repeat(hello.resumed ? messages : null);
  }

  // What had not been answered when the connection broke: it may have arrived.
  // A room that masks words changes them, but not their length.
  #repeat(missed) {
    for (const [ref, entry] of [...this.waiting]) {
      const { message } = entry;
      const at = (missed ?? []).findIndex((m) => m.type === message.type
        && m.user === this.you?.user && (m.text ?? '').length
          === (message.text ?? '').length && m.id !== undefined);

      if (missed && at >= 0 && message.text !== undefined) {
        const [{ id }] = missed.splice(at, 1);

        this.#answer(ref, ({ resolve }) => resolve({ id }));

      } else if (missed) {
        this.socket.send(JSON.stringify(message));

      } else {
        this.#answer(ref, ({ reject }) => reject(new ChatError('unknown',
          'The connection broke: it may not have arrived.')));
      }
    }
  }

  #answer(ref, give) {
    const entry = this.waiting.get(ref);

    if (!entry) {
      return false;
    }

    this.waiting.delete(ref);
    clearTimeout(entry.timer);
    give(entry);

    return true;
  }

  #told(message) {
    if (message.offset !== undefined) {
      this.offset = message.offset;
    }

    if (message.type === 'settings') {
      this.settings = message.settings;
    }

    this.#tell('message', message);
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
