// The stream's title, who broadcasts it, likes, and following.
//
//   const social = new Social('demo', session, dialog);
//   social.start();
//
// All of it comes from the control plane; without one there is only the name.

import { askToLogIn } from './account.js';
import { el, setText } from './dom.js';

const EVERY_MS = 60_000;
const COUNT = new Intl.NumberFormat('en', { notation: 'compact' });

export class Social extends EventTarget {
  constructor(stream, session, dialog) {
    super();
    this.stream = stream;
    this.session = session;
    this.dialog = dialog;
    this.owner = null;
    this.liked = false;
    this.follows = false;

    el('like').addEventListener('click', () => this.#like());
    el('follow').addEventListener('click', () => this.#follow());
    session.addEventListener('user', () => this.#ask());
    document.addEventListener('visibilitychange', () => {
      if (!document.hidden) {
        this.#ask();
      }
    });
  }

  async start() {
    if (!document.hidden) {
      await this.#ask();
    }

    setTimeout(() => this.start(), EVERY_MS * (0.75 + Math.random() / 2));
  }

  async #ask() {
    const { session, stream } = this;

    try {
      const { title, user, viewers } = await session.api('GET',
        `/streams/${stream}`);

      this.owner = user;
      setText(el('stream-name'), title || stream);
      document.title = `${title || stream} – Live`;
      setText(el('byline'), [user.display_name || user.username,
        viewers > 0 && `${COUNT.format(viewers)} watching`]
        .filter(Boolean).join(' · '));
      el('byline').hidden = false;
      this.#showLikes(await session.api('GET', `/streams/${stream}/like`));

      if (session.user && session.user.id !== user.id) {
        const { relation } = await session.api('GET',
          `/users/${user.id}/profile`);

        this.#showFollow(relation.following);

      } else {
        this.#showFollow(false);
      }

    } catch {
      // asked again; without a control plane there is nothing to show
    }
  }

  #showLikes({ likes, liked }) {
    this.liked = liked;
    setText(el('likes'), COUNT.format(likes));
    el('like').setAttribute('aria-pressed', liked);
    el('like').hidden = false;
  }

  #showFollow(follows) {
    this.follows = follows;
    setText(el('follow'), follows ? 'Following' : 'Follow');
    el('follow').setAttribute('aria-pressed', follows);
    el('follow').classList.toggle('plain', follows);
    el('follow').hidden = !this.owner
      || this.owner.id === this.session.user?.id;
  }

  async #like() {
    if (!this.session.user) {
      askToLogIn(this.session, this.dialog);
      return;
    }

    try {
      this.#showLikes(await this.session.api(this.liked ? 'DELETE' : 'PUT',
        `/streams/${this.stream}/like`));

    } catch {
      // it stays as it was
    }
  }

  // Followers have a role in the room, which a token of before does not say.
  async #follow() {
    if (!this.session.user) {
      askToLogIn(this.session, this.dialog);
      return;
    }

    try {
      await this.session.api(this.follows ? 'DELETE' : 'POST',
        `/users/${this.owner.id}/follow`);
      this.#showFollow(!this.follows);
      this.dispatchEvent(new Event('follow'));

    } catch {
      // it stays as it was
    }
  }
}
