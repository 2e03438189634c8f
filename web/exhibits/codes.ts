/** Exhibit 7: all codes at once, how often each is used, and by which pictures. */
import type { App } from '../app.ts';
import type { ModelInfo } from '../engine/model.ts';
import { bytesOf, unpackRow } from '../link.ts';
import { codeMap } from '../ui/code-map.ts';
import { h, refill } from '../ui/dom.ts';
import { type Emoji, loadEmoji } from '../ui/wall.ts';

/** The wall as tokens of the models in the box, written by `npm run web:wall`. */
const files: Readonly<Record<string, string>> = {
  'emoji-32': new URL('../assets/emoji-32.tokens', import.meta.url).href,
  'emoji-64': new URL('../assets/emoji-64.tokens', import.meta.url).href,
};
const mostTiles = 12;
const nearCount = 8;

/** The wall's emoji as tokens. */
interface Tokens {
  /** Of each tile. */
  readonly rows: readonly (readonly number[])[];
  /** Of each code: how often it occurs in them. */
  readonly uses: ArrayLike<number>;
}

export function mount(section: HTMLElement, app: App): void {
  const { store, engine } = app;
  let places: ArrayLike<number> = placesOf(app.baked.colors);
  let tokens: Tokens | undefined;
  let emoji: Emoji | undefined;
  let pointed: number | undefined;
  let asked: number | undefined; // the code whose neighbors are asked for
  let tiled: { readonly code: number; readonly tokens: Tokens | undefined } | undefined; // what the tiles show

  const map = codeMap(
    (code) => {
      if (code === pointed) return;
      pointed = code;
      show();
    },
    (code) => choose(code),
  );
  const field = h('input', {
    type: 'number',
    min: 0,
    step: 1,
    'aria-label': 'Code',
    input: () => {
      if (field.checkValidity() && field.value !== '') choose(field.valueAsNumber);
    },
    blur: () => show(), // instead of a number that is no code
  });
  const title = h('h3', {});
  const use = h('p', { class: 'small' });
  const tiles = h('div', { class: 'tiles' });
  const neighbors = h('div', { class: 'chips', role: 'group' });
  const details = h(
    'div',
    { class: 'between' },
    h('label', { class: 'choice' }, h('span', {}, 'Code'), field),
    title,
    use,
    tiles,
    h('p', { class: 'small' }, 'Codes most like it:'),
    neighbors,
  );
  section.append(h('div', { class: 'map-and-code' }, map.element, details));

  const chosen = (): number => {
    const code = Number(store.state.knobs['codes.code'] ?? Number.NaN);
    return Number.isInteger(code) && code >= 0 && code < app.model.codes ? code : store.state.row[0];
  };
  const choose = (code: number) => {
    pointed = undefined;
    store.knob('codes.code', code);
    app.say(`Code ${code}${tokens ? `, ${used(tokens.uses[code])}` : ''}.`);
  };

  function show(): void {
    const code = pointed ?? chosen();
    const { colors, model } = app;
    if (colors.length !== model.codes || places.length !== 2 * model.codes) return; // of another model, until `load` is done
    const row = new Set(store.state.row);
    const unused = tokens ? Array.from(tokens.uses).filter((n) => n === 0).length : 0;
    map.show(
      { places, colors, uses: tokens?.uses, marked: row, chosen: code },
      `map of ${model.codes} codes, alike ones close together${unused ? `; not used: ${unused}` : ''}; code ${code} is chosen`,
    );
    field.max = `${model.codes - 1}`;
    if (document.activeElement !== field) field.value = `${code}`;
    title.textContent = `Code ${code}`;
    title.style.borderColor = colors[code];
    const isHere = row.has(code) ? ' The picture at hand uses it.' : '';
    use.textContent = tokens
      ? `${capitalized(used(tokens.uses[code]))} by the ${tokens.rows.length.toLocaleString('en')} emoji of the wall.${isHere}`
      : `Counting how often it is used …${isHere}`;
    if (code !== tiled?.code || tokens !== tiled.tokens) {
      tiled = { code, tokens };
      refill(tiles, tokens && emoji ? tilesOf(code, tokens, emoji) : []);
    }
    if (asked !== code) void showNeighbors(code);
  }

  /** Training pictures that use a code, spread over the wall. */
  function tilesOf(code: number, { rows }: Tokens, from: Emoji): HTMLElement[] {
    const found = [...rows.keys()].filter((i) => !from.isUnseen(i) && rows[i].includes(code));
    const count = Math.min(mostTiles, found.length);
    return Array.from({ length: count }, (_, n) => {
      const i = found[Math.floor((n * found.length) / count)];
      return from.tile(i, async () => {
        const { model, links } = app;
        const source = await from.source(i, model.size).catch(app.fail);
        if (!source || model !== app.model || links !== app.links) return;
        store.edit(rows[i], { source });
        app.say(`${source.name} is the picture at hand.`);
      });
    });
  }

  async function showNeighbors(code: number): Promise<void> {
    asked = code;
    try {
      await app.ready;
      const ids = await engine.run('near', [code, nearCount], { channel: 'codes' });
      if (!ids || asked !== code) return;
      neighbors.setAttribute('aria-label', `codes like ${code}`);
      refill(
        neighbors,
        ids.map((id) =>
          h(
            'button',
            {
              type: 'button',
              class: 'chip',
              style: `background:${app.colors[id]}`,
              'aria-label': `code ${id}`,
              click: () => choose(id),
            },
            `${id}`,
          ),
        ),
      );
    } catch (error) {
      app.fail(error);
    }
  }

  /** What the map needs of a model. */
  async function load(): Promise<void> {
    const { model } = app;
    tokens = undefined;
    asked = undefined;
    const components =
      model.name === app.baked.model.name ? app.baked.colors : await engine.run('colors', [], { channel: 'map' });
    if (!components || model !== app.model) return;
    places = placesOf(components);
    show();
    emoji = await loadEmoji();
    for await (const rows of wallTokens(app, model, emoji)) {
      if (model !== app.model) return;
      tokens = { rows, uses: count(rows, model.codes) };
      show();
    }
  }

  store.on(['row', 'knobs'], show);
  store.on(['loads'], ({ loads }) => {
    if (loads > 0) load().catch(app.fail);
  });
}

/** The first two of three components. */
const placesOf = (components: ArrayLike<number>): number[] =>
  Array.from({ length: (components.length / 3) * 2 }, (_, i) => components[3 * (i >> 1) + (i % 2)]);

const used = (n: number): string =>
  n === 0 ? 'never used' : n === 1 ? 'used once' : `used ${n.toLocaleString('en')} times`;

const capitalized = (text: string): string => text[0].toUpperCase() + text.slice(1);

function count(rows: readonly (readonly number[])[], codes: number): Uint32Array {
  const uses = new Uint32Array(codes);
  for (const row of rows) for (const id of row) uses[id]++;
  return uses;
}

/**
 * The wall as tokens: of models in the box from a file, of others encoded here, a few at a time, so that others get their
 * turn. Yields all rows that it has so far.
 */
async function* wallTokens(app: App, model: ModelInfo, emoji: Emoji): AsyncGenerator<readonly (readonly number[])[]> {
  const { name, tokens, codes } = model;
  const tiles = emoji.wall.icons.length;
  const size = bytesOf(tokens, codes);
  const answer = files[name] ? await fetch(files[name]).catch(() => undefined) : undefined;
  const bytes = answer?.ok ? new Uint8Array(await answer.arrayBuffer()) : undefined;
  if (bytes?.length === tiles * size) {
    yield Array.from({ length: tiles }, (_, i) => unpackRow(bytes.subarray(i * size, (i + 1) * size), tokens, codes));
    return;
  }
  const rows: number[][] = [];
  while (rows.length < tiles) {
    const upTo = Math.min(tiles, rows.length + 16);
    const sources = [];
    for (let i = rows.length; i < upTo; i++) sources.push(await emoji.source(i, model.size));
    const more = await app.engine.run('encode', [sources.map(({ pixels }) => pixels)], { channel: 'map' });
    if (!more || app.model !== model) return;
    rows.push(...more);
    yield rows;
  }
}
