/** The page: loads the model, keeps the row, its picture and the address in step, and mounts exhibits as they come near. */
import baked from 'virtual:baked';
import type { App, Mount } from './app.ts';
import { colorsOf } from './colors.ts';
import { Engine } from './engine/client.ts';
import type { ModelInfo } from './engine/model.ts';
import { latest } from './latest.ts';
import { addressOf, readAddress } from './link.ts';
import { type State, Store } from './store.ts';
import { mountBar } from './ui/bar.ts';
import { pixelsOfUrl } from './ui/picture.ts';

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
const [first, second] = baked.rows;
const store = new Store({
  model: baked.model.name,
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
const linked = readAddress(location.hash, baked.models, baked.model);
store.set(linked);
if (store.state.row === first.ids) {
  const [picture, pixels] = await Promise.all([pixelsOfUrl(first.picture), pixelsOfUrl(first.original)]);
  store.set({ picture, source: { name: first.name, pixels, heldOut: true } });
}

// 2. The model, ahead of the exhibits, which wait for it.
app.ready = load(store.state.model);
app.ready.catch(app.fail);
store.on(['model'], ({ model }, before) => {
  if (model === before.model) return;
  app.ready = load(model);
  app.ready.catch(app.fail);
});

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

/** Loads a model. The picture at hand becomes a row of its tokens. */
async function load(name: string): Promise<void> {
  const { file, crc32 } = baked.models.find((model) => model.name === name)!;
  const url = new URL(`models/${file}?${crc32}`, document.baseURI).href;
  const before = { model: app.model, picture: store.state.picture, source: store.state.source };
  const info = await engine.run('load', [url], {
    onPart: ({ received, total }) => {
      const percent = total > 0 ? `${Math.round((100 * received) / total)} %` : `${(received / 1e6).toFixed(1)} MB`;
      app.say(`Loading the model, ${percent} …`);
    },
  });
  if (!info) return;
  await setModel(info, before);
  app.say(
    `Ready: ${info.tokens} tokens of ${info.codes.toLocaleString('en')} codes, ${info.size} × ${info.size} pixels.`,
  );
}

async function setModel(
  info: ModelInfo,
  before: { model: ModelInfo; picture: State['picture']; source: State['source'] },
): Promise<void> {
  app.model = info;
  if (info.name === baked.model.name) app.colors = colorsOf(baked.colors);
  else app.colors = colorsOf((await engine.run('colors', [])) ?? []);
  const fits = (row: readonly number[]) => row.length === info.tokens && row.every((id) => id < info.codes);
  const { row, other } = store.state;
  if (before.model.name !== info.name || !fits(row)) {
    store.forget();
    const picture = before.source?.pixels ?? before.picture;
    const rows = picture && (await engine.run('encode', [[picture]]));
    const [next] = rows ?? [Array(info.tokens).fill(0)];
    store.set({ row: next, other: fits(other) ? other : [...next].reverse() });
  } else {
    showRow();
  }
}

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
    written = addressOf(state, app.model, baked);
    history.replaceState(null, '', written || location.pathname + location.search);
  }, 200);
});
addEventListener('hashchange', () => {
  if (location.hash === written) return;
  const section = location.hash.slice(1);
  if (sections.some(({ id }) => id === section)) return; // a link within the page
  store.set(readAddress(location.hash, baked.models, app.model));
});
