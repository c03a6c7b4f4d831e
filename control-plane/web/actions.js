// What can be done with a message and with who wrote it: one dialog.
//
//   const actions = new Actions(chat, dialog, { reply, mention, tell });
//   actions.open(message);

import { button, h } from './dom.js';
import { ROLES } from './messages.js';

const RANK = ['reader', 'viewer', 'follower', 'subscriber', 'vip', 'moderator',
  'co-host', 'owner'];
const TIMEOUTS = [[60, '1 min'], [600, '10 min'], [3600, '1 h'],
  [86400, '1 day']];

export const rank = (role) => RANK.indexOf(role);
export const isModerator = (role) => rank(role) >= rank('moderator');

export class Actions {
  constructor(chat, dialog, { reply, mention, tell }) {
    this.chat = chat;
    this.dialog = dialog;
    this.reply = reply;
    this.mention = mention;
    this.tell = tell;
  }

  open(message) {
    const { you } = this.chat;
    const name = message.name ?? 'Somebody';
    const own = you?.user !== undefined && message.user === you.user;
    const moderates = isModerator(you?.role);
    const above = moderates && !own && rank(you.role) > rank(message.role);
    const item = (text, act, properties) =>
      button(text, () => {
        this.dialog.close();
        act();
      }, properties);

    this.dialog.open(name,
      ROLES[message.role] && h('p', { class: 'quiet' },
        ROLES[message.role][1]),
      h('blockquote', { dir: 'auto' }, message.text),
      you?.write && h('div', { class: 'stack actions' },
        item('Reply', () => this.reply(message)),
        !own && item('Mention', () => this.mention(name)),
        (own || above || (moderates && own)) && item('Delete the message',
          () => this.#do({ type: 'delete', id: message.id }),
          { 'data-action': 'delete' }),
        moderates && message.type === 'message' && !message.status
          && item('Pin', () => this.#do({ type: 'pin', id: message.id }),
            { 'data-action': 'pin' }),
        !own && !moderates && button('Report to the moderators',
          () => this.#report(message), { 'data-action': 'flag' })),
      above && message.user && this.#moderation(message, item),
      !you?.write && h('p', {}, 'Log in to answer.'));
  }

  #moderation({ user, name = 'Somebody' }, item) {
    const reason = h('input', { id: 'reason', maxlength: '500',
      autocomplete: 'off' });
    const why = () => (reason.value.trim()
      ? { reason: reason.value.trim() } : {});

    return h('div', { class: 'stack actions' },
      h('h3', {}, `Moderate ${name}`),
      h('label', { for: 'reason' }, 'Reason (optional)'), reason,
      h('div', { class: 'line', role: 'group', 'aria-label': 'Time out' },
        h('span', { class: 'quiet' }, 'Time out'),
        TIMEOUTS.map(([seconds, text]) => item(text, () => this.#do({
          type: 'timeout', user, seconds, ...why() }),
        { 'data-action': `timeout-${seconds}` }))),
      item('Delete all messages', () => this.#do({ type: 'clear', user }),
        { 'data-action': 'clear' }),
      item('Ban', () => this.#do({ type: 'ban', user, ...why() }),
        { class: 'danger', 'data-action': 'ban' }),
      item('Ban without telling', () => this.#do({ type: 'ban', user,
        shadow: true, ...why() }), { class: 'danger',
        'data-action': 'shadow', title: 'Their messages are seen by nobody '
          + 'else, and they do not know.' }),
      item('Lift a ban or time-out', () => this.#do({ type: 'unban', user }),
        { 'data-action': 'unban' }));
  }

  #report({ id, name = 'Somebody', text }) {
    const reason = h('input', { id: 'flag-reason', maxlength: '500',
      autocomplete: 'off', autofocus: true });

    this.dialog.open('Report to the moderators',
      h('blockquote', { dir: 'auto' }, `${name}: ${text}`),
      h('form', { class: 'stack', onsubmit: (event) => {
        event.preventDefault();
        this.dialog.close();
        this.#do({ type: 'flag', id, ...(reason.value.trim()
          ? { reason: reason.value.trim() } : {}) },
        'The moderators will look at it.');
      } },
      h('label', { for: 'flag-reason' }, 'What is wrong with it? (optional)'),
      reason, h('button', { type: 'submit' }, 'Report')));
  }

  async #do(message, done = '') {
    try {
      await this.chat.say(message);
      this.tell(done);

    } catch (error) {
      this.tell(error.message);
    }
  }
}
