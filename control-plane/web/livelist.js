// What is live now, where there is a control plane to tell.

const EVERY_MS = 10_000;

export function showLive(section, list, current) {
  const ask = async () => {
    try {
      const answer = await fetch('/api/streams/live?limit=20');

      if (answer.status === 404) {
        return;               // no control plane
      }

      if (answer.ok) {
        const { items } = await answer.json();

        list.replaceChildren(...items.map((item) => entry(item, current)));
        section.hidden = items.length === 0;
      }

    } catch {
      // asked again
    }

    setTimeout(ask, EVERY_MS);
  };

  ask();
}

function entry({ id, title, viewers }, current) {
  const item = document.createElement('li');
  const link = document.createElement('a');

  link.href = `?stream=${encodeURIComponent(id)}`;
  link.textContent = title || id;

  if (id === current) {
    link.setAttribute('aria-current', 'page');
  }

  item.append(link);

  if (Number.isInteger(viewers)) {
    item.append(` ${viewers} ${viewers === 1 ? 'viewer' : 'viewers'}`);
  }

  return item;
}
