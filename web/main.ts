/** The page: loads the model, keeps the row, its picture and the address in step, and mounts exhibits as they come near. */
import baked from 'virtual:baked';
import type { App, Mount } from './app.ts';
import { colorsOf } from './colors.ts';
import { Engine } from './engine/client.ts';
import type { ModelInfo, Pixels } from './engine/model.ts';
import { latest } from './latest.ts';
import { addressOf, bytesOf, readAddress } from './link.ts';
import { type State, Store } from './store.ts';
import { mountBar } from './ui/bar.ts';
import { pixelsOfUrl, resized } from './ui/picture.ts';
import { watch, watchedRun } from './watching.ts';

const exhibits: Readonly<Record<string, () => Promise<{ mount: Mount }>>> = {
  tokenize: () => import('./exhibits/tokenize.ts'),
  touch: () => import('./exhibits/touch.ts'),
  mix: () => import('./exhibits/mix.ts'),
  fit: () => import('./exhibits/fit.ts'),
  train: () => import('./exhibits/train.ts'),
  film: () => import('./exhibits/film.ts'),
  few: () => import('./exhibits/few.ts'),
  codes: () => import('./exhibits/codes.ts'),
};

const element = (id: string): HTMLElement => document.getElementById(id)!;
const watched = watchedRun();
const isOfRun = (name: string) => baked.models.every((model) => model.name !== name);
const [first, second] = baked.rows;
const [firstPicture, firstPixels, secondPixels] = await Promise.all(
  [first.picture, first.original, second.original].map(pixelsOfUrl),
);
/** What the page begins with. Links leave out what is the same. */
const firstState = {
  row: first.ids,
  other: second.ids,
  picture: firstPicture,
  pictured: first.ids,
  source: { name: first.name, pixels: firstPixels, heldOut: watched?.emojiHeldOut ?? true },
  exhibit: 'tokenize',
  seed: 1,
  knobs: {},
};
const store = new Store({
  models: [...(watched?.model ? [watched.model] : []), ...baked.models],
  model: watched?.model?.name ?? baked.model.name,
  ...firstState,
  loads: 0,
});

const engine = new Engine();
const app: { -readonly [K in keyof App]: App[K] } = {
  engine,
  store,
  baked,
  model: baked.model,
  colors: colorsOf(baked.colors),
  ready: new Promise(() => {}),
  links: 0,
  say(text) {
    if (element('status').textContent !== text) element('status').textContent = text;
  },
  fail(error) {
    element('error').hidden = false;
    element('error-text').textContent = error instanceof Error ? error.message : String(error);
  },
};
element('error-close').addEventListener('click', () => {
  element('error').hidden = true;
});

// 1. What the address says, on top of the first state.
/** The model that links mean unless they name another one. */
const usual = () => store.state.models.find(({ name }) => isOfRun(name)) ?? baked.model;
function readLink(): Partial<State> & Pick<State, 'model' | 'exhibit'> {
  const { exhibit = '', model = usual().name, ...link } = readAddress(location.hash, store.state.models, usual());
  const isKnown = Object.hasOwn(exhibits, exhibit);
  const given = new URLSearchParams(location.hash.slice(1));
  if ((given.has('t') && !link.row) || (given.has('o') && !link.other))
    app.fail('A picture of this link cannot be shown: the link is damaged, or made with a model that this page lacks.');
  rowsOf = { row: link.row ? model : baked.model.name, other: link.other ? model : baked.model.name };
  return { ...firstState, ...link, model, exhibit: isKnown ? exhibit : firstState.exhibit };
}
/** The models that the two rows are of. */
let rowsOf: Readonly<Record<'row' | 'other', string>>;
const linked = readLink();
store.set(linked);

// 2. The row's picture follows the row.
const showRow = latest(async () => {
  await app.ready;
  const { row } = store.state;
  const pictures = await engine.run('decode', [[row]], { channel: 'row' });
  const isLinked = !store.state.picture; // a link's row, which must not get the picture of the row before it
  if (pictures && (!isLinked || store.state.row === row)) store.set({ picture: pictures[0], pictured: row });
}, app.fail);

// 3. The model, ahead of the exhibits, which wait for it.
let loads = 0;
/** The model that the engine has; undefined while it loads one. */
let held: string | undefined;
/** The pictures that rows of B were encoded from. */
const origins = new WeakMap<readonly number[], Pixels>([[second.ids, secondPixels]]);
/** Loads a model for everybody. When that fails, the page goes back to the one before. */
function change(model: string, before: string): void {
  app.ready = load(model);
  app.ready.catch((error) => {
    app.fail(error);
    const isListed = store.state.models.some(({ name }) => name === before);
    if (store.state.model === model && isListed) store.set({ model: before });
  });
}
change(store.state.model, store.state.model);
store.on(['model'], ({ model }, before) => {
  if (model !== before.model) change(model, app.model.name);
});
store.on(['row'], (state, before) => {
  if (state.row !== before.row) showRow();
});

if (watched) {
  watch(watched, element('watching'), (next) => {
    const { model, models } = store.state;
    const isFirst = models.length === baked.models.length;
    const change = isFirst || isOfRun(model) ? { model: next.name } : {}; // unless the visitor looks at another one
    store.set({ models: [next, ...baked.models], ...change });
  });
}

// 4. Exhibits, each when it comes near.
mountBar(element('bar'), app);
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) void mountOnce(target as HTMLElement);
  },
  { rootMargin: '600px' },
);
const mounted = new Map<string, Promise<void>>();
function mountOnce(section: HTMLElement): Promise<void> {
  near.unobserve(section);
  const mounting = mounted.get(section.id) ?? mountIn(section);
  mounted.set(section.id, mounting);
  return mounting;
}
async function mountIn(section: HTMLElement): Promise<void> {
  try {
    const { mount } = await exhibits[section.id]().catch(() => {
      throw new Error('A part of this page could not be fetched. Reload the page to try again.');
    });
    mount(section.querySelector<HTMLElement>('.stage')!, app);
  } catch (error) {
    app.fail(error);
  }
}
/** Scrolls to an exhibit. All are mounted first, or those above would push it away later. */
async function goTo(exhibit: string): Promise<void> {
  await Promise.all(sections.map(mountOnce));
  element(exhibit).scrollIntoView();
}
const sections = [...document.querySelectorAll<HTMLElement>('section[data-exhibit]')];
for (const section of sections) near.observe(section);
const inView = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) store.set({ exhibit: target.id });
  },
  { rootMargin: '-45% 0px -45% 0px' },
);
if (linked.exhibit !== firstState.exhibit) await goTo(linked.exhibit);
for (const section of sections) inView.observe(section);

/**
 * Loads a model. The picture at hand becomes a row of its tokens. A newer checkpoint of the same run keeps rows that the
 * visitor has changed, and undo. Resolves when the model asked for last is there; others change nothing.
 */
async function load(name: string): Promise<void> {
  const number = ++loads;
  const isReplaced = () => number !== loads;
  const { model } = app;
  const { row, other, source } = store.state;
  const isNewer = isOfRun(model.name) && isOfRun(name);
  const isEncoded = isNewer && source && `${await encoded(source.pixels, model.size)}` === `${row}`;
  if (isReplaced()) return app.ready;
  // what the rows of other models show, for as long as the engine can tell
  const isOther = (of: string) => of !== name && !(isOfRun(of) && isOfRun(name));
  const a = isOther(rowsOf.row) ? await pictureOf(row, rowsOf.row) : undefined;
  const b = isOther(rowsOf.other) ? await pictureOf(other, rowsOf.other) : undefined;
  if (isReplaced()) return app.ready;
  const info = await hold(name);
  if (!info || isReplaced()) return app.ready;
  const components = info.name === baked.model.name ? baked.colors : await engine.run('colors', []);
  const fits = (row: readonly number[]) => row.length === info.tokens && row.every((id) => id < info.codes);
  const now = store.state;
  const isKept = fits(now.row) && (isNewer ? !isEncoded || now.row !== row : !isOther(rowsOf.row));
  const isOtherKept = fits(now.other) && !isOther(rowsOf.other);
  const next = isKept ? now.row : await encoded(pictureAtHand() ?? a ?? firstPixels, info.size);
  const nextOther = isOtherKept ? now.other : await encoded(b ?? secondPixels, info.size);
  if (isReplaced() || !next || !nextOther) return app.ready;
  if (!isOtherKept) origins.set(nextOther, b ?? secondPixels);
  rowsOf = { row: name, other: name };
  app.model = info;
  app.colors = colorsOf(components ?? []);
  const sizes = { tokens: info.tokens, bytes: bytesOf(info.tokens, info.codes) };
  for (const [name, size] of Object.entries(sizes))
    for (const text of document.querySelectorAll(`[data-model=${name}]`)) text.textContent = `${size}`;
  if (!fits(now.row) || (!isNewer && model.name !== info.name)) store.forget();
  store.set({ row: next, other: nextOther, loads: number });
  if (isKept) showRow();
  app.say(
    `Ready: ${info.tokens} tokens of ${info.codes.toLocaleString('en')} codes, ${info.size} × ${info.size} pixels.`,
  );
}

/** Gives the engine a model. Undefined when another one was asked for meanwhile. */
async function hold(name: string): Promise<ModelInfo | undefined> {
  held = undefined;
  const found = store.state.models.find((model) => model.name === name);
  if (!found) return undefined; // of a run, which has a newer one
  const url = new URL(`models/${found.file}?${found.crc32}`, document.baseURI).href;
  const info = await engine.run('load', [url], {
    onPart: ({ received }) => {
      const tenths = Math.min(10, Math.round((10 * received) / found.bytes)); // each step is read out
      app.say(`Loading the model, ${10 * tenths} % …`);
    },
  });
  if (info) held = name;
  return info;
}

/** What the row at hand shows, if that is known without the engine. */
function pictureAtHand(): Pixels | undefined {
  const { row, source, picture, pictured } = store.state;
  return source?.pixels ?? (pictured === row ? picture : undefined);
}

/** What a row of a model shows. Undefined when it cannot be told, or another model was asked for meanwhile. */
async function pictureOf(row: readonly number[], of: string): Promise<Pixels | undefined> {
  const known = row === store.state.row ? pictureAtHand() : origins.get(row);
  if (known) return known;
  if (held !== of && !(await hold(of).catch(() => undefined))) return undefined;
  return (await engine.run('decode', [[row]], { channel: 'picture at hand' }))?.[0];
}

/** The row of a picture; undefined when another model was asked for meanwhile. */
async function encoded(pixels: Pixels, size: number): Promise<readonly number[] | undefined> {
  return (await engine.run('encode', [[resized(pixels, size)]], { channel: 'picture at hand' }))?.[0];
}

// 5. The address follows the state; a link that is opened in this tab is read.
let written = location.hash;
let soon: ReturnType<typeof setTimeout> | undefined;
function writeSoon(): void {
  clearTimeout(soon);
  soon = setTimeout(() => {
    const { state } = store;
    if (location.hash !== written) return; // a link is being opened
    if (app.model.name !== state.model) return; // its rows are still in the address, and new ones come with it
    const address = addressOf(state, app.model, baked, usual().name);
    history.replaceState(null, '', address || location.pathname + location.search);
    written = location.hash;
  }, 200);
}
store.on(['model', 'row', 'other', 'exhibit', 'seed', 'knobs', 'loads'], (state, before) => {
  if (state !== before) writeSoon();
});
addEventListener('hashchange', () => {
  if (location.hash === written) return;
  written = location.hash;
  const section = location.hash.slice(1);
  if (sections.some(({ id }) => id === section)) return writeSoon(); // a link within the page, which holds no picture
  app.links++;
  const link = readLink();
  if (link.model === store.state.model) change(link.model, link.model); // rows that the link leaves out are not of every model
  store.set(link);
  void goTo(link.exhibit);
});
