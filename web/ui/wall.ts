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

const sheetUrl = 'emoji/twemoji-64.webp';
const atOnce = 72; // tiles

const words = (text: string): string => text.replaceAll('-', ' ');

/** Fetches the sheet and returns the wall. @throws Error in words for visitors */
export async function wall(size: () => number, pick: (source: Source) => void): Promise<HTMLElement> {
  const answer = await fetch('emoji/wall.json').catch(() => undefined);
  if (!answer?.ok) throw new Error('The emoji could not be fetched. Drop a picture of your own instead.');
  const { columns, tile, set, icons, subgroups, heldOut } = (await answer.json()) as Wall;
  const unseen = new Set(heldOut);
  const sheet = new Image();
  sheet.src = sheetUrl;
  await sheet.decode().catch(() => {
    throw new Error('The emoji could not be fetched. Drop a picture of your own instead.');
  });
  const place = (i: number) => [(i % columns) * tile, Math.floor(i / columns) * tile] as const;

  const choose = async (i: number) => {
    const [x, y] = place(i);
    const cut = await createImageBitmap(sheet, x, y, tile, tile);
    const pixels = squarePixels(cut, tile, tile, size());
    pick({ name: words(icons[i]), pixels, heldOut: unseen.has(i) });
  };
  const tileOf = (i: number) => {
    const [x, y] = place(i);
    const style = `background-image:url(${sheetUrl});background-position:${-x * (40 / tile)}px ${-y * (40 / tile)}px;background-size:${columns * 40}px auto`;
    const label = `${words(icons[i])}${unseen.has(i) ? ', held out' : ''}`;
    return button('', () => choose(i), {
      class: `tile${unseen.has(i) ? ' unseen' : ''}`,
      style,
      title: label,
      'aria-label': label,
    });
  };

  const tiles = h('div', { class: 'tiles' });
  const more = button('More', () => show(shown + atOnce));
  const count = h('output', {});
  let found: number[] = [];
  let shown = 0;
  const show = (upTo: number) => {
    for (const i of found.slice(shown, upTo)) tiles.append(tileOf(i));
    shown = Math.min(found.length, upTo);
    more.hidden = shown === found.length;
  };
  const search = (text: string, onlyUnseen: boolean) => {
    const wanted = text.toLowerCase().split(/\s+/).filter(Boolean);
    found = [...icons.keys()].filter(
      (i) =>
        (!onlyUnseen || unseen.has(i)) &&
        wanted.every((word) => `${words(icons[i])} ${words(subgroups[i])}`.includes(word)),
    );
    tiles.replaceChildren();
    shown = 0;
    show(atOnce);
    count.textContent = found.length === 0 ? 'None. Try another word, such as "cat".' : `${found.length}`;
  };
  const field = h('input', { type: 'search', placeholder: 'cat, fruit, heart …', 'aria-label': 'Search the emoji' });
  const box = h('input', { type: 'checkbox', checked: true });
  const again = () => search(field.value, box.checked);
  field.addEventListener('input', again);
  box.addEventListener('change', again);
  again();
  return h(
    'div',
    { class: 'wall' },
    h('div', { class: 'row' }, field, h('label', {}, box, ' only those the model has never seen'), count),
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
