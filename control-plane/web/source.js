// Where a stream is played from. With a control plane a viewer token is asked
// for, and is part of the address; without one (nobody serves /api/) it is the
// plain path.
//
//   const source = new Source('demo');
//   await source.url()       throws Offline when there is no such stream, or
//                            nobody may watch it
//   source.forget()          the token was refused: the next url() has another

const EARLY_MS = 60_000;      // a token that ends sooner is not begun with

export class Offline extends Error {}

export class Source {
  constructor(stream) {
    this.stream = stream;
    this.known = null;        // { url, expires }
    this.jti = '';            // of the last token: a new one takes its place
  }

  forget() {
    this.known = null;
  }

  async url() {
    if (this.known && this.known.expires - Date.now() > EARLY_MS) {
      return this.known.url;
    }

    try {
      this.known = await this.#ask();
    } catch (error) {
      // The control plane is away: what was given holds until it expires.
      if (error instanceof Offline || !(this.known?.expires > Date.now())) {
        throw error;
      }
    }

    return this.known.url;
  }

  async #ask() {
    const answer = await fetch(`/api/streams/${this.stream}/token`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(this.jti ? { replaces: this.jti } : {}),
    });
    const isJson = /json/.test(answer.headers.get('Content-Type') ?? '');

    if (answer.ok) {
      const { jti, urls, expires_at: expires } = await answer.json();
      const { pathname } = new URL(urls.hls, location);

      this.jti = jti;

      return { url: pathname, expires: Date.parse(expires) };
    }

    if (!isJson && (answer.status === 404 || answer.status === 405)) {
      return { url: `/live/${this.stream}/index.m3u8`, expires: Infinity };
    }

    if (answer.status === 404 || answer.status === 403
      || answer.status === 401) {
      throw new Offline(`it may not be watched (${answer.status})`);
    }

    throw new Error(`no token: ${answer.status}`);
  }
}
