// Elements without markup: whatever people wrote becomes text, never HTML.
//
//   h('li', { class: 'message', 'data-id': id, onclick: f }, name, ': ', text)
//
// Properties that begin with "on" are listeners; true is an empty attribute;
// false, null and undefined leave it away. Children: nodes, texts, lists of
// them; null and false are passed over.

export function h(tag, properties = {}, ...children) {
  const node = document.createElement(tag);

  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('on')) {
      node.addEventListener(name.slice(2), value);

    } else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value === true ? '' : value);
    }
  }

  node.append(...children.flat(2)
    .filter((child) => child !== null && child !== undefined
      && child !== false));

  return node;
}

export const el = (id) => document.getElementById(id);

export function button(text, onclick, properties = {}) {
  return h('button', { type: 'button', onclick, ...properties }, text);
}

// Leaves the node alone when nothing changes: screen readers speak of changes.
export function setText(node, text) {
  if (node.textContent !== text) {
    node.textContent = text;
  }
}

export const plural = (n, one, many = `${one}s`) =>
  `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

// 90 → "1 min 30 s", 86400 → "1 day"
export function duration(seconds) {
  const parts = [];
  let left = Math.max(0, Math.ceil(seconds));

  for (const [unit, size] of [['day', 86400], ['h', 3600], ['min', 60],
    ['s', 1]]) {
    const n = Math.floor(left / size);

    if (n > 0 && parts.length < 2) {
      parts.push(`${n} ${unit}${unit === 'day' && n > 1 ? 's' : ''}`);
    }

    left -= n * size;
  }

  return parts.join(' ') || '0 s';
}

// Each user's name always has the same colour, out of a few that can be read.
export function colorOf(user) {
  let hash = 0;

  for (const c of user) {
    hash = (hash * 31 + c.codePointAt(0)) >>> 0;
  }

  return `color-${hash % 8}`;
}
