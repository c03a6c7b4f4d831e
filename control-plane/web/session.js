// Who is logged in, and requests in that name.
//
//   const session = new Session();
//   session.addEventListener('user', () => session.user);     // or null
//   await session.login('ann', password);  await session.logout();
//   const stream = await session.api('GET', '/streams/demo'); // throws Problem
//   const response = await session.fetch('/streams/demo/token', { … });
//
// The access token, good for minutes, is in this page's memory alone. The
// refresh token, good once, is in the browser's storage: a page that is loaded
// again goes on, and so do other tabs. One tab at a time refreshes; the others
// find what it got.

const KEY = 'live.session';
const EARLY_MS = 30_000;      // an access token that ends sooner is renewed
const AGAIN = 2;              // times, where nothing is done twice by that

// What the API says is wrong: message is a sentence for the user.
export class Problem extends Error {
  constructor(status, type, detail, retryMs = 0) {
    super(detail);
    this.status = status;
    this.type = type;
    this.retryMs = retryMs;
  }
}

// The control plane asks to be asked again when its database is away.
async function patiently(send, again) {
  const answer = await send();
  const wait = Number(answer.headers.get('Retry-After'));

  if (answer.status !== 503 || again === 0 || !(wait > 0 && wait <= 5)) {
    return answer;
  }

  await new Promise((resolve) => { setTimeout(resolve, wait * 1000); });

  return patiently(send, again - 1);
}

export class Session extends EventTarget {
  constructor() {
    super();
    this.access = '';
    this.expires = 0;
    this.user = this.#kept()?.user ?? null;

    // another tab logged in or out
    addEventListener('storage', (event) => {
      if (event.key === KEY) {
        this.#became(this.#kept()?.user ?? null);
      }
    });
  }

  async login(login, password) {
    this.#opened(await this.#post('/auth/login', { login, password }, AGAIN));
  }

  async register(username, email, password) {
    this.#opened(await this.#post('/auth/register',
      { username, email, password }));
  }

  async logout() {
    try {
      await this.fetch('/auth/logout', { method: 'POST' });
    } catch {
      // it ends by itself
    }

    this.#over();
  }

  // Below /api, with the access token where somebody is logged in.
  async fetch(path, options = {}) {
    const headers = new Headers(options.headers);

    if (this.user) {
      await this.#renew(false);
    }

    const send = () => {
      if (this.access) {
        headers.set('Authorization', `Bearer ${this.access}`);

      } else {
        headers.delete('Authorization');
      }

      return fetch(`/api${path}`, { ...options, headers });
    };

    const again = (options.method ?? 'GET') === 'GET' ? AGAIN : 0;
    const answer = await patiently(send, again);

    if (answer.status === 401 && this.access) {
      await this.#renew(true);
      return send();
    }

    return answer;
  }

  // The answer's JSON, or null where it has none.
  async api(method, path, body) {
    const answer = await this.fetch(path, {
      method,
      ...(body === undefined ? {} : {
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      }),
    });

    return Session.#read(answer);
  }

  static async #read(answer) {
    const isJson = /json/.test(answer.headers.get('Content-Type') ?? '');
    const json = isJson ? await answer.json() : null;

    if (answer.ok) {
      return json;
    }

    const retry = Number(answer.headers.get('Retry-After')) || 0;
    const field = json?.errors?.[0];

    throw new Problem(answer.status, (json?.type ?? '').split('/').pop(),
      field ? `${field.field} ${field.detail}`
        : json?.detail ?? `The server says ${answer.status}.`,
      retry * 1000);
  }

  async #post(path, body, again = 0) {
    return Session.#read(await patiently(() => fetch(`/api${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    }), again));
  }

  async #renew(refused) {
    const before = this.access;

    const renew = async () => {
      const kept = this.#kept();

      if (!kept) {
        this.#over();
        return;
      }

      // another request of this page was first
      if (this.access !== before
        && this.expires - Date.now() > EARLY_MS) {
        return;
      }

      try {
        this.#opened(await this.#post('/auth/refresh',
          { refresh_token: kept.refresh }));

      } catch (problem) {
        if (problem instanceof Problem && problem.status < 500
          && problem.status !== 429) {
          this.#over();
          return;
        }

        // not our fault: what there is may still be good
        if (this.expires <= Date.now()) {
          throw problem;
        }
      }
    };

    if (!refused && this.expires - Date.now() > EARLY_MS) {
      return;
    }

    // locks are for secure contexts, and localhost
    await (navigator.locks ? navigator.locks.request(KEY, renew) : renew());
  }

  #kept() {
    try {
      const kept = JSON.parse(localStorage.getItem(KEY));

      return kept?.refresh && kept.user?.id ? kept : null;

    } catch {
      return null;
    }
  }

  #opened(tokens) {
    const { id, username, role } = tokens.user;

    localStorage.setItem(KEY, JSON.stringify({
      refresh: tokens.refresh_token, user: { id, username, role },
    }));
    this.access = tokens.access_token;
    this.expires = Date.now() + tokens.expires_in * 1000;
    this.#became({ id, username, role }, true);
  }

  #over() {
    localStorage.removeItem(KEY);
    this.#became(null);
  }

  // ours: the access token is of that user.
  #became(user, ours = false) {
    if (user?.id === this.user?.id) {
      return;
    }

    if (!ours) {
      this.access = '';
      this.expires = 0;
    }

    this.user = user;
    this.dispatchEvent(new Event('user'));
  }
}
