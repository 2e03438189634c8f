/** Exhibit 2: what a token touches, and what other codes make of the picture in its place. */
import type { App } from '../app.ts';
import { latest } from '../latest.ts';
import { chips } from '../ui/chips.ts';
import { codeTiles } from '../ui/code-tiles.ts';
import { h } from '../ui/dom.ts';
import { type HeatMap, heatView, whereHot } from '../ui/heat.ts';
import { pictureView, pixelsOfUrl } from '../ui/picture.ts';

const restMs = 300; // background work waits for so long after an edit, so that the next one finds the engine free
const keptRows = 30;
const knob = 'touch.token';

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  /** The place whose chip is selected. */
  let selected = 0;
  let selections = 0;
  let pointed: number | undefined;
  /** Codes for the selected place, nearest first to the one it had when it was selected. */
  let order: { readonly codes: readonly number[]; readonly distances: readonly number[] } | undefined;
  /** The model whose codes the tiles are. */
  let tiled: string | undefined;
  let isNear = false;
  let restUntil = 0;
  const cache = new Map<string, Map<number, HeatMap>>();

  const heat = heatView();
  const picture = pictureView('picture', 'the picture');
  const heatText = h('figcaption', {});
  const codeText = h('figcaption', {});
  const row = chips(app, {
    label: 'Tokens to touch',
    pick: (place) => void select(place),
    point(place) {
      pointed = place;
      showHeat();
      work();
    },
    key: (place, { key }) => {
      const step = { ArrowUp: 1, '+': 1, ArrowDown: -1, '-': -1 }[key];
      if (!step || place !== selected) return false;
      const at = order ? order.codes.indexOf(store.state.row[place]) + step : -1;
      const code = order?.codes[at];
      if (code !== undefined) choose(code);
      return true;
    },
  });
  const tiles = codeTiles(choose, () => work());
  section.append(
    h(
      'div',
      { class: 'flow' },
      h('figure', {}, heat.element, heatText),
      h(
        'div',
        { class: 'between' },
        row.element,
        h(
          'p',
          { class: 'small' },
          'Click a token to select it. With the keyboard: left and right go to the next token, up and down (or + and −) walk the selected one through its codes.',
        ),
      ),
      h('figure', {}, picture.element, codeText),
    ),
    tiles.element,
  );

  /** Selects a token and orders the codes by their distance from its own. */
  async function select(place: number): Promise<void> {
    const number = ++selections;
    selected = place;
    order = undefined;
    showChips();
    showHeat();
    try {
      await app.ready;
      if (number !== selections) return;
      const { name } = app.model;
      const anchor = store.state.row[place];
      const near = await engine.run('nearCodes', [anchor]);
      if (!near || number !== selections) return;
      order = { codes: [anchor, ...near.ids], distances: [0, ...near.distances] };
      if (store.state.knobs[knob] !== `${place + 1}`) store.knob(knob, place + 1);
      tiles.show(order.codes, order.distances);
      tiled = name;
      showChips();
      work();
    } catch (error) {
      app.fail(error);
    }
  }

  function choose(code: number): void {
    if (tiled !== store.state.model) return;
    store.edit(store.state.row.with(selected, code));
    app.say(codeText.textContent);
  }

  function showChips(): void {
    const { row: ids } = store.state;
    row.show(ids, (place) => place === selected);
    const code = ids[selected];
    const distance = order?.distances[order.codes.indexOf(code)];
    tiles.press(code);
    const from = distance && order ? `, ${distance.toFixed(2)} from ${order.codes[0]}` : '';
    codeText.textContent = `Token ${selected + 1} is code ${code}${from}`;
  }

  const mapsOf = (ids: readonly number[]): Map<number, HeatMap> => {
    const key = `${store.state.model} ${ids}`;
    const maps = cache.get(key) ?? new Map();
    cache.delete(key);
    cache.set(key, maps); // the latest is the last
    if (cache.size > keptRows) cache.delete(cache.keys().next().value!);
    return maps;
  };

  function showHeat(): void {
    const place = pointed ?? selected;
    const map = mapsOf(store.state.row).get(place);
    const text = map ? `Token ${place + 1} acts ${whereHot(map)}` : `Token ${place + 1} …`;
    heat.show(map, text);
    heatText.textContent = text;
  }

  /** The next short piece of background work: the token in view, pictures of codes, then the other tokens. */
  function nextJob(): (() => Promise<void>) | undefined {
    if (!isNear || performance.now() < restUntil) return undefined;
    const { row: ids } = store.state;
    const maps = mapsOf(ids);
    const heatOf = (place: number) => async () => {
      const map = await engine.run('heatMap', [ids, place], { channel: 'touch', background: true });
      if (map) maps.set(place, map);
      if (map && place === (pointed ?? selected)) showHeat();
    };
    const inView = pointed ?? selected;
    if (!maps.has(inView)) return heatOf(inView);
    const codes = tiled === store.state.model ? tiles.missing(2) : [];
    if (codes.length > 0) {
      const place = selected;
      return async () => {
        const rows = codes.map((code) => ids.with(place, code));
        const pictures = await engine.run('decode', [rows], { channel: 'touch', background: true });
        const isCurrent = place === selected && isSameBut(place, ids, store.state.row);
        if (!pictures || !isCurrent) return;
        for (const [i, pixels] of pictures.entries()) tiles.put(codes[i], pixels);
      };
    }
    const other = ids.findIndex((_, place) => !maps.has(place));
    return other < 0 ? undefined : heatOf(other);
  }
  const work = latest(async () => {
    for (;;) {
      await app.ready;
      const job = nextJob();
      if (!job) return;
      await job();
    }
  }, app.fail);

  new IntersectionObserver((entries) => {
    isNear = entries.at(-1)!.isIntersecting;
    if (isNear) work();
  }).observe(section);

  let timer: ReturnType<typeof setTimeout> | undefined;
  store.on(['row', 'picture', 'knobs', 'loads'], (state, before) => {
    if (state.picture) {
      heat.picture(state.picture);
      picture.show(state.picture, 'the picture that the tokens make');
    }
    if (state.row !== before.row) {
      restUntil = performance.now() + restMs;
      clearTimeout(timer);
      timer = setTimeout(work, restMs + 1);
      if (state.row.length !== before.row.length) void select(0);
      else if (!isSameBut(selected, state.row, before.row)) tiles.clear();
    }
    if (state.loads !== before.loads) void select(selected);
    if (state.row !== before.row || state === before) {
      showChips();
      showHeat();
    }
    const place = Number(state.knobs[knob] ?? 1) - 1;
    const isKnown = Number.isInteger(place) && place >= 0 && place < state.row.length;
    if (isKnown && (state === before || (state.knobs !== before.knobs && place !== selected))) void select(place);
  });
  void seed();

  /** The maps of the first picture were made when the page was. */
  async function seed(): Promise<void> {
    const [{ ids }] = app.baked.rows;
    const sheet = await pixelsOfUrl(app.baked.heat);
    const width = Math.sqrt(sheet.length / 4);
    const across = Math.ceil(Math.sqrt(ids.length));
    const side = width / across;
    const key = `${app.baked.model.name} ${ids}`;
    const maps = ids.map((_, place) => {
      const [left, top] = [(place % across) * side, Math.floor(place / across) * side];
      return Uint8ClampedArray.from({ length: side * side }, (_, p) => {
        return sheet[4 * ((top + Math.floor(p / side)) * width + left + (p % side))];
      });
    });
    cache.set(key, new Map([...maps.entries(), ...(cache.get(key) ?? [])]));
    showHeat();
  }
}

/** Whether two rows are equal at all other places. */
const isSameBut = (place: number, a: readonly number[], b: readonly number[]): boolean =>
  a.length === b.length && a.every((id, i) => i === place || id === b[i]);
