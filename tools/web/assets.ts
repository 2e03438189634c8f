/** The files that the page fetches: the models in the box and the emoji of its wall. */
import { readdir, readFile } from 'node:fs/promises';
import { type EmojiIndex, emojiHeldOut, isHeldOut } from '../../data/index.ts';

/** Files by path, '/models/index.json', each read when it is asked for. */
export type SiteFiles = ReadonlyMap<string, () => Promise<string | Uint8Array>>;

const models = new URL('../../models/', import.meta.url);
const emoji = new URL('../../data/assets/emoji/', import.meta.url);
/** What other sites show where they link to the page. */
const preview = new URL('../../docs/images/emoji-64-reconstructions.png', import.meta.url);
/** The set of emoji on the wall. */
export const wallSet = 'twemoji';

/** Content of emoji/wall.json: the tiles of the sheet beside it, twemoji-64.webp, row by row. */
export interface EmojiWall {
  /** Tiles per row; tile i lies in column i % columns. */
  readonly columns: number;
  /** Side of a tile in pixels. */
  readonly tile: number;
  /** Whose drawings they are, to be named where they are shown. */
  readonly set: { title: string; author: string; license: string; licenseUrl: string; source: string };
  /** Names of the tiles: 'red-heart'. */
  readonly icons: readonly string[];
  /** Unicode subgroups of the tiles: 'heart'. */
  readonly subgroups: readonly string[];
  /** The tiles that no model in the box was trained on. */
  readonly heldOut: readonly number[];
}

/** emoji/wall.json */
export const wallFile: SiteFiles = new Map([['/emoji/wall.json', async () => JSON.stringify(await emojiWall())]]);

/** models/index.json, models/*.safetensors, emoji/wall.json and its sheet, and preview.png. */
export async function assetFiles(): Promise<SiteFiles> {
  const files = new Map(wallFile);
  for (const name of await readdir(models)) files.set(`/models/${name}`, () => readFile(new URL(name, models)));
  const { tile } = await emojiWall();
  const sheet = `${wallSet}-${tile}.webp`;
  files.set('/preview.png', () => readFile(preview));
  files.set(`/emoji/${sheet}`, () => readFile(new URL(sheet, emoji)));
  return files;
}

/** What the wall shows. */
export async function emojiWall(): Promise<EmojiWall> {
  const index = JSON.parse(await readFile(new URL('index.json', emoji), 'utf8')) as EmojiIndex;
  const { icons, subgroups, title, author, license, licenseUrl, source } = index.sets.find(
    ({ name }) => name === wallSet,
  )!;
  return {
    columns: index.columns,
    tile: Math.max(...index.tileSizes),
    set: { title, author, license, licenseUrl, source },
    icons,
    subgroups: subgroups.map((i) => index.subgroups[i]),
    heldOut: icons.flatMap((icon, i) => (isHeldOut(icon, emojiHeldOut) ? [i] : [])),
  };
}
