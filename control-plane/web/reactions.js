// Reactions: the buttons that send them, how many there were, and the ones
// that rise over the picture. The room tells how many, not each.
//
//   const reactions = new Reactions({ buttons, floats }, (name) => …);
//   reactions.enable(true);
//   reactions.came([{ reaction: '👍', count: 3, total: 17 }]);

import { button, h, setText } from './dom.js';

const FLOATS = 24;            // at a time
const FLOATS_OF_ONE = 6;      // of one update
const SPREAD_MS = 900;
const COUNT = new Intl.NumberFormat('en', { notation: 'compact' });

const OFFERED = { '❤️': 'Heart', '👍': 'Thumbs up', '😂': 'Laughing',
  '🎉': 'Party', '😮': 'Surprised', '👏': 'Applause' };

const still = matchMedia('(prefers-reduced-motion: reduce)');

export class Reactions {
  constructor({ buttons, floats }, send) {
    this.floats = floats;
    this.counts = new Map();

    buttons.replaceChildren(...Object.entries(OFFERED)
      .map(([emoji, label]) => {
        const count = h('span', { class: 'count', 'aria-hidden': 'true' });

        this.counts.set(emoji, count);

        return button([h('span', { 'aria-hidden': 'true' }, emoji), count],
          () => send(emoji), { 'aria-label': label, title: label,
            'data-reaction': emoji });
      }));
    this.buttons = buttons;
  }

  enable(may) {
    for (const node of this.buttons.children) {
      node.disabled = !may;
    }
  }

  came(counts) {
    for (const { reaction, count, total } of counts) {
      const shown = this.counts.get(reaction);

      if (shown) {
        setText(shown, COUNT.format(total));
      }

      this.#rise(reaction, Math.min(count, FLOATS_OF_ONE));
    }
  }

  #rise(reaction, n) {
    if (still.matches || document.hidden) {
      return;
    }

    for (let i = 0; i < n && this.floats.children.length < FLOATS; i++) {
      const node = h('span', { class: 'float' }, reaction);

      node.style.left = `${5 + Math.random() * 85}%`;
      node.style.animationDelay = `${Math.random() * SPREAD_MS}ms`;
      node.addEventListener('animationend', () => node.remove());
      this.floats.append(node);
    }
  }
}
