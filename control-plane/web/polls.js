// The room's poll or quiz: choices to vote for, the tally while it is open,
// what came of it; and for who moderates the form that makes one.
//
//   const polls = new Polls(chat, session, { card, form, dialog, note });
//   polls.show(poll);                  // as the room tells it; null: none
//   polls.open(poll);                  // the open one of a hello, or nothing
//
// The first vote counts. The browser remembers it, so that a page that is
// loaded again knows which one was made.

import { isModerator } from './actions.js';
import { button, duration, h, plural, setText } from './dom.js';

const KEEP_CLOSED_MS = 120_000;
const CHOICES = 10;
const FOLD_MS = 4000;
const SMALL = matchMedia('(max-width: 40rem)');

export class Polls {
  constructor(chat, session, { card, form, dialog, note }) {
    this.chat = chat;
    this.session = session;
    this.card = card;
    this.dialog = dialog;
    this.note = note;
    this.poll = null;
    this.gone = 0;
    this.path = `/streams/${chat.stream}/polls`;

    form.append(this.#form());
    setInterval(() => this.#tick(), 1000);
  }

  open(poll) {
    // one that was closed just now is still looked at
    if (poll || this.poll?.state === 'open') {
      this.show(poll ?? null);
    }
  }

  show(poll) {
    clearTimeout(this.gone);

    const before = this.poll;

    this.poll = poll && { ...poll, ends: endOf(poll) };

    if (!poll) {
      this.card.hidden = true;
      return;
    }

    if (before?.id === poll.id && before.state === poll.state) {
      this.#tally();
      return;
    }

    this.#draw();

    if (poll.state === 'closed') {
      this.note(this.#outcome());
      this.gone = setTimeout(() => this.show(null), KEEP_CLOSED_MS);
    }
  }

  // ---- the card

  get vote() {
    const vote = sessionStorage.getItem(`live.vote.${this.poll.id}.${
      this.chat.you?.user ?? ''}`);

    return vote === null ? -1 : Number(vote);
  }

  #draw() {
    const { poll, chat } = this;
    const open = poll.state === 'open';
    const moderates = isModerator(chat.you?.role);

    this.bars = poll.choices.map((text, i) => {
      const share = h('span', { class: 'share' });
      const fill = h('span', { class: 'fill' });
      const node = h('button', { type: 'button', class: 'choice',
        'data-choice': i, onclick: () => this.#choose(i) },
      fill, h('span', { class: 'choice-text', dir: 'auto' }, text), share);

      return { node, share, fill };
    });

    this.left = h('span', { class: 'quiet', 'aria-hidden': 'true' });
    this.total = h('span', { class: 'quiet' });
    this.problem = h('p', { class: 'problem', role: 'alert', hidden: true });

    this.fold = button('', () =>
      this.#fold(!this.card.classList.contains('folded')),
    { class: 'plain', id: 'poll-fold' });
    this.#fold(false);
    this.card.replaceChildren(
      h('div', { class: 'card-kind' },
        h('span', {}, poll.quiz ? 'Quiz' : 'Poll', ' ',
          open ? this.left : h('span', { class: 'quiet' }, 'closed')),
        this.fold),
      h('h3', { dir: 'auto' }, poll.question),
      h('div', { class: 'choices', role: 'group',
        'aria-label': poll.question }, this.bars.map(({ node }) => node)),
      this.problem,
      h('p', { class: 'card-foot' }, this.total,
        poll.quiz && !open && button('Scores', () => this.#scores(),
          { class: 'plain' }),
        open && moderates && button('End it now', () => this.#close(),
          { class: 'plain', id: 'poll-close' }),
        !open && button('Dismiss', () => this.show(null),
          { class: 'plain' })));
    this.card.hidden = false;
    this.#tally();
  }

  #fold(folded) {
    this.card.classList.toggle('folded', folded);
    setText(this.fold, folded ? 'Show' : 'Hide');
    this.fold.setAttribute('aria-expanded', !folded);
  }

  #tally() {
    const { poll, vote } = this;
    const tally = poll.tally ?? poll.choices.map(() => 0);
    const total = tally.reduce((sum, n) => sum + n, 0);
    const open = poll.state === 'open';
    const shown = !open || vote >= 0 || !this.chat.you?.write;

    for (const [i, { node, share, fill }] of this.bars.entries()) {
      const part = total ? Math.round(100 * tally[i] / total) : 0;
      const right = poll.correct === i;

      node.disabled = !open || vote >= 0 || !this.chat.you?.write;
      node.classList.toggle('mine', vote === i);
      node.classList.toggle('right', right);
      setText(share, shown ? `${part} %${vote === i ? ', your vote' : ''}${
        right ? ', right' : ''}` : '');
      fill.style.width = shown ? `${part}%` : '0';
    }

    setText(this.total, plural(total, 'vote'));
    this.#tick();
  }

  #tick() {
    const { poll } = this;

    if (poll?.state === 'open' && poll.ends) {
      setText(this.left, `${duration((poll.ends - Date.now()) / 1000)} left`);
    }
  }

  #outcome() {
    const { question, choices, tally = [], correct, quiz } = this.poll;
    const most = Math.max(...tally);

    if (quiz) {
      return `The quiz is over: “${choices[correct]}” was right.${
        this.vote < 0 ? '' : this.vote === correct ? ' You knew.'
          : ' You said something else.'}`;
    }

    return most > 0
      ? `The poll is over: ${question} “${choices[tally.indexOf(most)]}” has ${
        plural(most, 'vote')}.` : `The poll is over: ${question}`;
  }

  async #choose(i) {
    const { id } = this.poll;
    const key = `live.vote.${id}.${this.chat.you?.user ?? ''}`;

    sessionStorage.setItem(key, i);
    this.#count(i, 1);

    try {
      await this.chat.say({ type: 'vote', poll: id, choice: i });
      this.problem.hidden = true;

      // on a telephone it leaves no room for what is said
      if (SMALL.matches) {
        setTimeout(() => this.poll?.id === id && this.poll.state === 'open'
          && this.#fold(true), FOLD_MS);
      }

    } catch (error) {
      sessionStorage.removeItem(key);
      setText(this.problem, error.message);
      this.problem.hidden = false;
      this.#count(i, -1);
    }
  }

  // One's own vote is seen at once; the next tally has it, too.
  #count(i, n) {
    this.poll.tally = this.poll.tally?.map((votes, at) =>
      votes + (at === i ? n : 0));
    this.#tally();
  }

  async #close() {
    try {
      this.show(await this.session.api('POST',
        `${this.path}/${this.poll.id}/close`));

    } catch (error) {
      setText(this.problem, error.message);
      this.problem.hidden = false;
    }
  }

  async #scores() {
    const { items } = await this.session.api('GET', `${this.path}/scores`);

    this.dialog.open('Quiz scores', h('table', {},
      h('thead', {}, h('tr', {}, ['', 'Name', 'Right', 'Of'].map((title) =>
        h('th', { scope: 'col' }, title)))),
      h('tbody', {}, items.slice(0, 20).map(({ name, right, answers }, i) =>
        h('tr', {}, h('td', {}, `${i + 1}`),
          h('th', { scope: 'row' }, name ?? 'Somebody'),
          h('td', {}, `${right}`), h('td', {}, `${answers}`))))));
  }

  // ---- a new one

  #form() {
    const problem = h('p', { class: 'problem', role: 'alert', hidden: true });
    const list = h('div', { class: 'stack', id: 'poll-choices' });
    const quiz = h('input', { type: 'checkbox', id: 'poll-quiz' });
    const question = h('input', { id: 'poll-question', required: true,
      maxlength: '200', autocomplete: 'off' });
    const seconds = h('select', { id: 'poll-seconds' },
      [['30', '30 s'], ['60', '1 min'], ['300', '5 min'], ['900', '15 min'],
        ['', 'until it is ended']].map(([value, text]) =>
        h('option', { value, selected: value === '60' }, text)));

    const choice = (n) => h('div', { class: 'line' },
      h('input', { type: 'radio', name: 'correct', value: `${n}`,
        'aria-label': `Choice ${n + 1} is right`, hidden: !quiz.checked }),
      h('input', { 'aria-label': `Choice ${n + 1}`, maxlength: '100',
        placeholder: `Choice ${n + 1}`, autocomplete: 'off',
        class: 'poll-choice' }));

    const more = button('Add a choice', () => {
      list.append(choice(list.children.length));
      list.lastElementChild.lastElementChild.focus();
      more.disabled = list.children.length >= CHOICES;
    }, { class: 'plain' });

    quiz.addEventListener('change', () => {
      for (const radio of list.querySelectorAll('[type=radio]')) {
        radio.hidden = !quiz.checked;
      }
    });
    list.append(choice(0), choice(1));

    const form = h('form', { class: 'stack', id: 'poll-form' },
      h('label', { for: 'poll-question' }, 'Question'), question,
      list, more,
      h('label', { class: 'check' }, quiz, 'A quiz: one choice is right'),
      h('div', { class: 'line' },
        h('label', { for: 'poll-seconds' }, 'Open for'), seconds),
      problem, h('button', { type: 'submit' }, 'Start'));

    form.addEventListener('submit', async (event) => {
      event.preventDefault();

      const lines = [...list.children].map((line) => ({
        right: line.firstElementChild.checked,
        text: line.lastElementChild.value.trim() }))
        .filter(({ text }) => text);
      const right = lines.findIndex((line) => line.right);

      try {
        if (quiz.checked && right < 0) {
          throw new Error('Say which choice is right.');
        }

        this.show(await this.session.api('POST', this.path, {
          question: question.value.trim(),
          choices: lines.map(({ text }) => text),
          ...(quiz.checked ? { correct: right } : {}),
          ...(seconds.value ? { seconds: Number(seconds.value) } : {}),
        }));
        form.reset();
        quiz.dispatchEvent(new Event('change'));
        list.replaceChildren(choice(0), choice(1));
        problem.hidden = true;

      } catch (error) {
        setText(problem, error.message);
        problem.hidden = false;
      }
    });

    return form;
  }
}

// The room has seconds since 1970, the API a time.
function endOf({ closes_at: at }) {
  return typeof at === 'string' ? Date.parse(at) : at ? at * 1000 : 0;
}
