/** The wall of emoji: buttons that are tiles of a sheet, with a search. */
import type { Source } from '../store.ts';
import { button, h } from './dom.ts';
import { squarePixels } from './picture.ts';

/** `emoji/wall.json`: one set of the data, tile by tile. */
interface Wall {
  readonly columns: number;
  /** Side of a tile, pixels. */
  readonly tile: number;
  readonly set: {
    readonly title: string;
    readonly author: string;
    readonly license: string;
    readonly licenseUrl: string;
  };
  readonly icons: readonly string[];
  readonly subgroups: readonly string[];
  /** Tiles that the models have not seen. */
  readonly heldOut: readonly number[];
}

const atOnce = 72; // tiles

const words = (text: string): string => text.replaceAll('-', ' ');

/** The wall's pictures. */
export interface Emoji {
  readonly wall: Wall;
  /** 'red heart' */
  name(i: number): string;
  isUnseen(i: number): boolean;
  /** The picture of a tile, scaled to `size` pixels. */
  source(i: number, size: number): Promise<Source>;
  /** A button that shows a tile. */
  tile(i: number, click: () => void): HTMLButtonElement;
}

let loaded: Promise<Emoji> | undefined;
/** Fetches the sheet, once. @throws Error in words for visitors */
export function loadEmoji(): Promise<Emoji> {
  loaded ??= fetchEmoji();
  loaded.catch(() => {
    loaded = undefined; // the next call tries again
  });
  return loaded;
}

async function fetchEmoji(): Promise<Emoji> {
  const [wall, file] = await Promise.all([fetchOk('emoji/wall.json'), fetchOk('emoji/twemoji-64.webp')])
    .then(([wall, sheet]) => Promise.all([wall.json() as Promise<Wall>, sheet.blob()]))
    .catch(() => {
      throw new Error('The emoji could not be fetched. Drop a picture of your own instead.');
    });
  const sheet = await createImageBitmap(file); // decoded once, off the page's thread: each tile cut from an <img> costs 70 ms
  const sheetUrl = URL.createObjectURL(file);
  const { columns, tile, icons } = wall;
  const unseen = new Set(wall.heldOut);
  const place = (i: number) => [(i % columns) * tile, Math.floor(i / columns) * tile] as const;
  return {
    wall,
    name: (i) => words(icons[i]),
    isUnseen: (i) => unseen.has(i),
    async source(i, size) {
      const cut = await createImageBitmap(sheet, ...place(i), tile, tile);
      return { name: words(icons[i]), pixels: squarePixels(cut, tile, tile, size), heldOut: unseen.has(i) };
    },
    tile(i, click) {
      const [x, y] = place(i);
      const style = `background-image:url(${sheetUrl});background-position:${-x * (40 / tile)}px ${-y * (40 / tile)}px;background-size:${columns * 40}px auto`;
      const label = `${words(icons[i])}${unseen.has(i) ? ', held out' : ''}`;
      return button('', click, {
        class: `tile${unseen.has(i) ? ' unseen' : ''}`,
        style,
        title: label,
        'aria-label': label,
      });
    },
  };
}

async function fetchOk(url: string): Promise<Response> {
  const answer = await fetch(url);
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer;
}

/** The wall. @throws Error in words for visitors when the emoji cannot be fetched */
export async function wall(size: () => number, pick: (read: Promise<Source>) => void): Promise<HTMLElement> {
  const emoji = await loadEmoji();
  const { set, icons, subgroups } = emoji.wall;
  const tileOf = (i: number) => emoji.tile(i, () => pick(emoji.source(i, size())));

  const tiles = h('div', { class: 'tiles' });
  const more = button('More', () => {
    const next = shown;
    show(shown + atOnce);
    if (more.hidden) (tiles.children[next] as HTMLElement).focus();
  });
  const count = h('output', {});
  let found: number[] = [];
  let shown = 0;
  const show = (upTo: number) => {
    for (const i of found.slice(shown, upTo)) tiles.append(tileOf(i));
    shown = Math.min(found.length, upTo);
    more.hidden = shown === found.length;
  };
  const search = (text: string, onlyUnseen: boolean) => {
    const wanted = words(text.toLowerCase()).split(/\s+/).filter(Boolean);
    found = [...icons.keys()].filter(
      (i) =>
        (!onlyUnseen || emoji.isUnseen(i)) &&
        wanted.every((word) => `${words(icons[i])} ${words(subgroups[i])}`.includes(word)),
    );
    tiles.replaceChildren();
    shown = 0;
    show(atOnce);
    count.textContent =
      found.length === 0 ? 'None. Try another word, such as "cat".' : `${found.length.toLocaleString('en')} emoji`;
  };
  const field = h('input', { type: 'search', placeholder: 'cat, fruit, heart …', 'aria-label': 'Search the emoji' });
  const box = h('input', { type: 'checkbox', checked: emoji.wall.heldOut.length > 0 });
  const again = () => search(field.value, box.checked);
  field.addEventListener('input', again);
  box.addEventListener('change', again);
  again();
  return h(
    'div',
    { class: 'wall' },
    h(
      'div',
      { class: 'row' },
      field,
      h('label', { hidden: !box.checked }, box, ' only those the model has never seen'),
      count,
    ),
    tiles,
    more,
    h(
      'p',
      { class: 'small' },
      `Emoji: ${set.title} by ${set.author}, `,
      h('a', { href: set.licenseUrl }, set.license),
      '.',
    ),
  );
}
