/** The page: loads the model, keeps the row, its picture and the address in step, and mounts exhibits as they come near. */
import baked from 'virtual:baked';
import type { App, Mount } from './app.ts';
import { colorsOf } from './colors.ts';
import { Engine } from './engine/client.ts';
import type { Pixels } from './engine/model.ts';
import { latest } from './latest.ts';
import { addressOf, bytesOf, readAddress } from './link.ts';
import { Store } from './store.ts';
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
const store = new Store({
  models: [...(watched?.model ? [watched.model] : []), ...baked.models],
  model: watched?.model?.name ?? baked.model.name,
  row: first.ids,
  other: second.ids,
  picture: undefined,
  source: undefined,
  exhibit: 'tokenize',
  seed: 1,
  knobs: {},
});

const engine = new Engine();
const app: { -readonly [K in keyof App]: App[K] } = {
  engine,
  store,
  baked,
  model: baked.model,
  colors: colorsOf(baked.colors),
  ready: new Promise(() => {}),
  say(text) {
    element('status').textContent = text;
  },
  fail(error) {
    element('error').hidden = false;
    element('error-text').textContent = error instanceof Error ? error.message : String(error);
  },
};
element('error-close').addEventListener('click', () => {
  element('error').hidden = true;
});

// 1. What the address says, on top of the baked first state.
/** The model that links mean unless they name another one. */
const usual = () => store.state.models.find(({ name }) => isOfRun(name)) ?? baked.model;
const linked = readAddress(location.hash, store.state.models, usual());
store.set(linked);
if (store.state.row === first.ids) {
  const [picture, pixels] = await Promise.all([pixelsOfUrl(first.picture), pixelsOfUrl(first.original)]);
  store.set({ picture, source: { name: first.name, pixels, heldOut: watched?.emojiHeldOut ?? true } });
}

// 2. The model, ahead of the exhibits, which wait for it.
app.ready = load(store.state.model);
app.ready.catch(app.fail);
store.on(['model'], ({ model }, before) => {
  if (model === before.model) return;
  app.ready = load(model);
  app.ready.catch(app.fail);
});

if (watched) {
  watch(watched, element('watching'), (next) => {
    const { model, models } = store.state;
    const isFirst = models.length === baked.models.length;
    const change = isFirst || isOfRun(model) ? { model: next.name } : {}; // unless the visitor looks at another one
    store.set({ models: [next, ...baked.models], ...change });
  });
}

// 3. Exhibits, each when it comes near.
mountBar(element('bar'), app);
const near = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) void mountOnce(target as HTMLElement);
  },
  { rootMargin: '600px' },
);
const mounted = new Set<string>();
async function mountOnce(section: HTMLElement): Promise<void> {
  near.unobserve(section);
  const load = exhibits[section.id];
  if (!load || mounted.has(section.id)) return;
  mounted.add(section.id);
  try {
    const { mount } = await load();
    mount(section.querySelector<HTMLElement>('.stage')!, app);
  } catch (error) {
    app.fail(error);
  }
}
const sections = [...document.querySelectorAll<HTMLElement>('section[data-exhibit]')];
for (const section of sections) near.observe(section);
const inView = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) store.set({ exhibit: target.id });
  },
  { rootMargin: '-45% 0px -45% 0px' },
);
if (linked.exhibit) {
  for (const section of sections) await mountOnce(section); // or those above would push it away later
  element(linked.exhibit).scrollIntoView();
}
for (const section of sections) inView.observe(section);

/**
 * Loads a model. The picture at hand becomes a row of its tokens. A newer checkpoint of the same run keeps rows that the
 * visitor has changed, and undo.
 */
async function load(name: string): Promise<void> {
  const { file, crc32 } = store.state.models.find((model) => model.name === name)!;
  const url = new URL(`models/${file}?${crc32}`, document.baseURI).href;
  const { model } = app;
  const { row, picture, source } = store.state;
  const isNewer = isOfRun(model.name) && isOfRun(name);
  const isEncoded = isNewer && source && `${await encoded(source.pixels, model.size)}` === `${row}`;
  const info = await engine.run('load', [url], {
    onPart: ({ received, total }) => {
      const percent = total > 0 ? `${Math.round((100 * received) / total)} %` : `${(received / 1e6).toFixed(1)} MB`;
      app.say(`Loading the model, ${percent} …`);
    },
  });
  if (!info) return;
  app.model = info;
  const sizes = { tokens: info.tokens, bytes: bytesOf(info.tokens, info.codes) };
  for (const [name, size] of Object.entries(sizes))
    for (const text of document.querySelectorAll(`[data-model=${name}]`)) text.textContent = `${size}`;
  if (info.name === baked.model.name) app.colors = colorsOf(baked.colors);
  else app.colors = colorsOf((await engine.run('colors', [])) ?? []);
  const fits = (row: readonly number[]) => row.length === info.tokens && row.every((id) => id < info.codes);
  const now = store.state;
  const from = source?.pixels ?? picture; // neither: the row is that of a link
  const isKept = isNewer ? !isEncoded || now.row !== row : !from || model.name === info.name;
  if (fits(now.row) && isKept) {
    showRow();
  } else {
    if (!isNewer || !fits(now.row)) store.forget();
    const next = (from && (await encoded(from, info.size))) ?? Array<number>(info.tokens).fill(0);
    store.set({ row: next, other: fits(now.other) ? now.other : [...next].reverse() });
  }
  app.say(
    `Ready: ${info.tokens} tokens of ${info.codes.toLocaleString('en')} codes, ${info.size} × ${info.size} pixels.`,
  );
}

/** The row of a picture; undefined when another model was asked for meanwhile. */
const encoded = async (pixels: Pixels, size: number): Promise<readonly number[] | undefined> =>
  (await engine.run('encode', [[resized(pixels, size)]], { channel: 'load' }))?.[0];

// 4. The row's picture follows the row.
const showRow = latest(async () => {
  const pictures = await engine.run('decode', [[store.state.row]], { channel: 'row' });
  if (pictures) store.set({ picture: pictures[0] });
}, app.fail);
store.on(['row'], (state, before) => {
  if (state.row !== before.row) showRow();
});

// 5. The address follows the state; a link that is opened in this tab is read.
let written = location.hash;
let soon: ReturnType<typeof setTimeout> | undefined;
store.on(['model', 'row', 'other', 'exhibit', 'seed', 'knobs'], (state, before) => {
  if (state === before) return;
  clearTimeout(soon);
  soon = setTimeout(() => {
    if (location.hash !== written) return; // a link is being opened
    const address = addressOf(state, app.model, baked, usual().name);
    history.replaceState(null, '', address || location.pathname + location.search);
    written = location.hash;
  }, 200);
});
addEventListener('hashchange', () => {
  if (location.hash === written) return;
  written = location.hash;
  const section = location.hash.slice(1);
  if (sections.some(({ id }) => id === section)) return; // a link within the page
  store.set(readAddress(location.hash, store.state.models, app.model));
});
