/** Exhibit 3: two pictures, and what lies between their tokens. */
import type { App } from '../app.ts';
import type { State } from '../store.ts';
import { chips } from '../ui/chips.ts';
import { button, h, slider } from '../ui/dom.ts';
import { pictureView } from '../ui/picture.ts';

const shares = [0, 1 / 6, 2 / 6, 3 / 6, 4 / 6, 5 / 6, 1];

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  const [left, right] = [pictureView('picture', 'picture A'), pictureView('picture', 'picture B')];
  const copyInto = (from: 'row' | 'other', place: number): void => {
    const { row, other } = store.state;
    const [source, target] = from === 'row' ? [row, other] : [other, row];
    const changed = target.map((id, i) => (i === place ? source[i] : id));
    if (from === 'row') store.edit(row, { other: changed });
    else store.edit(changed);
    app.say(`Token ${place + 1} copied to picture ${from === 'row' ? 'B' : 'A'}.`);
  };
  const rowA = chips(app, { label: 'Tokens of A; a click copies to B', pick: (place) => copyInto('row', place) });
  const rowB = chips(app, { label: 'Tokens of B; a click copies to A', pick: (place) => copyInto('other', place) });

  const sheet = shares.map((share) => ({ share, view: pictureView('picture', `${Math.round(100 * share)} % of B`) }));
  let mixtures: readonly (readonly number[])[] = [];
  const strip = h(
    'div',
    { class: 'mixtures', role: 'group', 'aria-label': 'Mixtures of A and B' },
    ...sheet.map(({ view, share }, i) => {
      const take = button('', () => mixtures[i] && store.edit(mixtures[i], { source: undefined }), {
        'aria-label': `take the mixture with ${Math.round(100 * share)} % of B as A`,
      });
      take.append(view.element);
      return take;
    }),
  );
  const first = slider('First tokens from B', { min: 0, max: app.model.tokens, value: 0 }, (n) => {
    const { other } = store.state;
    const mixed = base.row.map((id, i) => (i < n ? other[i] : id));
    store.edit(mixed, { source: n === 0 ? base.source : undefined }, drag);
  });
  let drag = {};
  first.element.addEventListener('change', () => {
    drag = {}; // the slider was let go
  });
  /** A, as it was before the slider took tokens from B. */
  let base: Pick<State, 'row' | 'source'> = store.state;

  section.append(
    h(
      'div',
      { class: 'two' },
      h('figure', {}, left.element, h('figcaption', {}, 'A, the picture at hand')),
      h('div', {}, h('p', { class: 'small' }, 'Tokens of A'), rowA.element),
      h('figure', {}, right.element, h('figcaption', {}, 'B')),
      h('div', {}, h('p', { class: 'small' }, 'Tokens of B'), rowB.element),
    ),
    h(
      'div',
      { class: 'row' },
      first.element,
      button('Swap', () => store.edit(store.state.other, { other: store.state.row, source: undefined })),
      button('Copy A to B', () => store.edit(store.state.row, { other: store.state.row })),
      button('Surprise me', () => void surprise()),
    ),
    h('p', { class: 'small' }, 'From A to B. Click a mixture to make it A.'),
    strip,
  );

  /** B becomes what the generator draws of a class. */
  async function surprise(): Promise<void> {
    const { links } = app;
    try {
      await app.ready;
      const label = Math.floor(Math.random() * app.model.classes.length);
      const seed = Math.floor(Math.random() * 1e6);
      let last: readonly number[] | undefined;
      const count = await engine.run('film', [{ label, seed, sampling: app.model.sampling }], {
        channel: 'surprise',
        onPart: (found) => {
          last = found.at(-1)?.ids ?? last;
        },
      });
      if (count === undefined || !last || links !== app.links) return; // pressed again, or a link was opened
      store.edit(store.state.row, { other: last });
      app.say(`B is a sample of ${app.model.classes[label].replaceAll('-', ' ')}.`);
    } catch (error) {
      app.fail(error);
    }
  }

  async function draw(): Promise<void> {
    const { ready } = app;
    await ready;
    const { row, other } = store.state;
    const found = await engine.run('blend', [row, other, shares], { channel: 'mix' });
    if (ready !== app.ready) return draw(); // for the model that is loaded now
    if (!found) return; // rows have changed
    const pictures = await engine.run('decode', [[other, ...found]], { channel: 'mix' });
    if (ready !== app.ready) return draw();
    if (!pictures) return;
    mixtures = found;
    right.show(pictures[0], 'picture B');
    sheet.forEach(({ view, share }, i) => {
      view.show(pictures[i + 1], `${Math.round(100 * share)} % of B`);
    });
  }

  let waiting: ReturnType<typeof setTimeout> | undefined;
  store.on(['row', 'other', 'picture', 'model'], ({ row, other, picture, source, model }, before) => {
    const fromB = (id: number, i: number) => id === other[i];
    rowA.show(row, undefined, (i) => (fromB(row[i], i) ? ', as in B' : ''));
    rowB.show(other);
    if (picture) left.show(picture, 'picture A, the picture at hand');
    first.limits(0, app.model.tokens);
    if (row !== before.row) {
      const n = Number(first.element.querySelector('input')!.value);
      const isFromSlider =
        row.every((id, i) => id === (i < n ? other[i] : base.row[i])) && row.length === base.row.length;
      if (!isFromSlider) {
        base = { row, source };
        first.set(0);
      }
    }
    const isOtherModel = model !== before.model;
    if (isOtherModel) mixtures = [];
    if (row === before.row && other === before.other && !isOtherModel && before !== store.state) return;
    clearTimeout(waiting);
    waiting = setTimeout(() => draw().catch(app.fail), 150); // edits elsewhere come first
  });
}
