// One dialog for all that asks or shows something: modal, closed by Escape, by
// its button or by a click beside it. The focus goes back where it was.
//
//   dialog.open('Title', node, …);  dialog.close();

import { button, el, h } from './dom.js';

export class Dialog {
  constructor() {
    this.node = el('dialog');
    this.node.addEventListener('click', (event) => {
      if (event.target === this.node) {
        this.close();
      }
    });
  }

  open(title, ...content) {
    this.node.replaceChildren(h('div', { class: 'dialog-body' },
      h('div', { class: 'dialog-head' },
        h('h2', { id: 'dialog-title' }, title),
        button('✕', () => this.close(), { class: 'plain',
          'aria-label': 'Close' })),
      ...content));

    if (!this.node.open) {
      this.node.showModal();
    }

    (this.node.querySelector('[autofocus]')
      ?? this.node.querySelector('.dialog-body > :not(.dialog-head) button'))
      ?.focus();
  }

  close() {
    this.node.close();
  }
}
