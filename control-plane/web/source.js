// Where a stream is played from, and the token that opens it and its chat.
// With a control plane a viewer token is asked for, and is part of the
// address; without one (nobody serves /api/) it is the plain path.
//
//   const source = new Source('demo', session);
//   await source.url()       throws Offline when there is no such stream, or
//                            one may not watch it; its message says why, where
//                            that is known
//   await source.token()     the token alone; '' where none is needed
//   source.forget()          the token was refused: the next one is another

const EARLY_MS = 60_000;      // a token that ends sooner is not begun with

export class Offline extends Error {}

export class Source {
  constructor(stream, session) {
    this.stream = stream;
    this.session = session;
    this.known = null;        // { url, token, expires }
    this.asking = null;
    this.jti = '';            // of the last token: a new one takes its place
  }

  forget() {
    this.known = null;
    this.asking = null;
  }

  async url() {
    return (await this.#get()).url;
  }

  async token() {
    return (await this.#get()).token;
  }

  async #get() {
    if (this.known && this.known.expires - Date.now() > EARLY_MS) {
      return this.known;
    }

    // the player and the chat ask at the same time: one token is for both
    const asking = this.asking ?? this.#ask();

    this.asking = asking;

    try {
      const known = await asking;

      if (this.asking === asking) {
        this.known = known;
      }

      return known;

    } catch (error) {
      // The control plane is away: what was given holds until it expires.
      if (error instanceof Offline || !(this.known?.expires > Date.now())) {
        throw error;
      }

      return this.known;

    } finally {
      if (this.asking === asking) {
        this.asking = null;
      }
    }
  }

  async #ask() {
    const answer = await this.session.fetch(`/streams/${this.stream}/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(this.jti ? { replaces: this.jti } : {}),
    });
    const isJson = /json/.test(answer.headers.get('Content-Type') ?? '');

    if (answer.ok) {
      const { jti, token, urls, expires_at: expires } = await answer.json();
      const { pathname } = new URL(urls.hls, location);

      this.jti = jti;

      return { url: pathname, token, expires: Date.parse(expires) };
    }

    if (!isJson && (answer.status === 404 || answer.status === 405)) {
      return { url: `/live/${this.stream}/index.m3u8`, token: '',
        expires: Infinity };
    }

    if (answer.status === 403) {
      throw new Offline(isJson ? (await answer.json()).detail : '');
    }

    if (answer.status === 404 || answer.status === 401) {
      throw new Offline('');
    }

    throw new Error(`no token: ${answer.status}`);
  }
}
