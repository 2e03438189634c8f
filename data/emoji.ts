/**
 * The default dataset: 7,238 emoji of five drawing styles in 8 classes, or 95. They come with the package as sheets of tiles,
 * lossless WebP files in `assets/emoji/` that `npm run emoji:sheets` draws, so that training needs no download.
 * Licenses: `assets/emoji/index.json` and NOTICE.
 */
import { DataError, expectOption } from '../core/index.ts';
import { type ImageDataset, imageSet, isHeldOut, type LabeledImage } from './dataset.ts';
import { fileKind, gotInstead } from './file-kind.ts';
import { type RgbImage, toPlanes } from './pixels.ts';
import { crop, resizeBicubic } from './resize.ts';

/** Content of `assets/emoji/index.json`, the description of the sheets. */
export interface EmojiIndex {
  /** How the icons were changed, as the licenses require. */
  readonly about: string;
  /** The Unicode groups: 'Food & Drink'. */
  readonly classes: readonly string[];
  /** The Unicode subgroups, each within a group: 'food-fruit'. */
  readonly subgroups: readonly string[];
  /** Side of the tiles in each sheet of a set, in pixels. */
  readonly tileSizes: readonly number[];
  /** Tiles per row of a sheet; tile i lies in column i % columns. */
  readonly columns: number;
  readonly sets: readonly EmojiSetEntry[];
}

/** One drawing style: the sheets `<name>-<tile size>.webp`. */
export interface EmojiSetEntry {
  readonly name: string; // 'noto'
  readonly title: string;
  readonly author: string;
  readonly license: string; // SPDX
  readonly licenseUrl: string;
  readonly source: string;
  readonly package: string; // name@version that the icons were drawn from
  /** Of each tile in turn. */
  readonly icons: readonly string[];
  /** Of each tile, an index into `classes`. */
  readonly labels: readonly number[];
  /** Of each tile, an index into `subgroups`. */
  readonly subgroups: readonly number[];
}

/** What the classes of the emoji are: the 8 Unicode groups ('Food & Drink'), or the 95 subgroups ('food-fruit'). */
export type EmojiClasses = 'groups' | 'subgroups';

/** How the sheets are read: from disk in Node, over HTTP in browsers. */
export interface EmojiSource {
  read(file: string): Promise<Uint8Array>;
  decode(bytes: Uint8Array): Promise<RgbImage>;
}

/** The share of the concepts that is held out: `isHeldOut('red-heart', emojiHeldOut)`. */
export const emojiHeldOut = 0.1;

/**
 * Cuts the sheets into a dataset. A concept ('red-heart') is held out in all five styles or in none, so that no image is
 * evaluated whose twin was trained on.
 * @throws DataError when `size` is not a whole number from 8 to 512
 */
export async function assembleEmoji(
  size: number,
  { read, decode }: EmojiSource,
  kind: EmojiClasses = 'groups',
): Promise<ImageDataset> {
  expectOption(kind === 'groups' || kind === 'subgroups', 'emoji, classes', "'groups' or 'subgroups'", kind);
  if (!Number.isInteger(size) || size < 8 || size > 512) {
    throw new DataError(`emoji: expected a size of 8 to 512 pixels, got ${size}.`);
  }
  const { columns, tileSizes, sets, ...index } = parseIndex(await read('index.json'));
  const side = tileSizes.includes(size) ? size : Math.max(...tileSizes);
  const ofSubgroups = kind === 'subgroups';
  const classes = ofSubgroups ? index.subgroups : index.classes;
  const images: LabeledImage[] = [];
  for (const { name, icons, labels, subgroups } of sets) {
    const sheet = await decode(await read(`${name}-${side}.webp`));
    icons.forEach((icon, i) => {
      const tile = crop(sheet, (i % columns) * side, Math.floor(i / columns) * side, side, side);
      const label = ofSubgroups ? subgroups[i] : labels[i];
      images.push({
        planes: toPlanes(resizeBicubic(tile, size, size)),
        label,
        name: `${name}/${icon}`,
      });
    });
  }
  const isValidation = ({ name }: LabeledImage) => isHeldOut(conceptOf(name), emojiHeldOut);
  return {
    name: 'emoji',
    size,
    classes,
    train: imageSet(
      images.filter((image) => !isValidation(image)),
      size,
    ),
    validation: imageSet(images.filter(isValidation), size),
    mirrored: withoutLetters({ ...index, sets }, kind),
  };
}

/** The classes that are as good mirrored: all without symbols, which hold letters. */
export function withoutLetters(
  { classes, subgroups, sets }: Pick<EmojiIndex, 'classes' | 'subgroups' | 'sets'>,
  kind: EmojiClasses,
): string[] {
  const lettered = new Set<string>();
  for (const { labels, subgroups: subgroupOf } of sets)
    labels.forEach((label, i) => {
      if (classes[label] === 'Symbols') lettered.add(kind === 'subgroups' ? subgroups[subgroupOf[i]] : classes[label]);
    });
  return (kind === 'subgroups' ? subgroups : classes).filter((name) => !lettered.has(name));
}

/** Servers may answer with a page where a file is missing. */
function parseIndex(bytes: Uint8Array): EmojiIndex {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    const kind = fileKind(bytes);
    const got = kind ? gotInstead(kind) : `got ${bytes.length} bytes of another file.`;
    throw new DataError(`emoji: expected the sheets' index.json, ${got}`, { cause: error });
  }
}

/** 'noto/red-heart' → 'red-heart' */
export function conceptOf(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}
