/** Many picture files as squares: several at once within a bound of memory, and all that fail are told together. */
import { DataError } from '../core/index.ts';
import { decodeSquareOf, imageError, openImage } from './decoding.ts';
import { Undecodable } from './errors.ts';
import { type FilePart, readPart } from './file-part.ts';
import { type ParquetCell, readCell } from './parquet-file.ts';
import type { RgbImage } from './pixels.ts';
import { decodePlainPng } from './plain-png.ts';
import { resizeToSquare } from './resize.ts';

/** A picture file: its path, or where it lies in a larger file. */
export type FileSource = string | FilePart | ParquetCell;
/** A picture file, or a function that finds a picture's pixels, or the bytes of its file, in what has been read. */
export type PictureSource = FileSource | (() => RgbImage | Uint8Array | Promise<RgbImage | Uint8Array>);

export const atOnce = 8; // files: twice as many as Node has threads for them, so that none waits
/** Pixels of pictures that are decoded at the same time, unless one alone has more: 200 MB. */
export const mostPixelsAtOnce = 2 ** 26;
const listed = 10;

/**
 * `decodeSquare` of picture files, several at once. While it runs, decoded pixels take up to 200 MB, or as much as the
 * largest picture.
 * @param onProgress  called after each file
 * @throws DataError that lists the files that cannot be decoded, ten of them with reasons
 */
export async function decodeSquares(
  paths: readonly string[],
  size: number,
  onProgress?: (done: number, total: number) => void,
): Promise<RgbImage[]> {
  const results = await decodeEach(paths, size, (square) => square, onProgress);
  const broken = results.flatMap((error, i) => (error instanceof Undecodable ? [{ name: paths[i], error }] : []));
  if (broken.length === 1) throw imageError(broken[0].name, broken[0].error);
  if (broken.length > 1) throw new DataError(`${describeBroken(broken, paths.length)} Remove them or save them again.`);
  return results as RgbImage[];
}

/**
 * What `use` makes of the square of each picture, or why it cannot be decoded, in the order of the sources.
 *
 * @param places  of the squares, as of `planSquare`; default: the middle
 */
export async function decodeEach<T>(
  sources: readonly PictureSource[],
  size: number,
  use: (square: RgbImage, index: number) => T,
  onProgress?: (done: number, total: number) => void,
  places?: readonly number[],
): Promise<(T | Undecodable)[]> {
  const budget = new Budget(mostPixelsAtOnce);
  let done = 0;
  const decodeOne = async (source: PictureSource, place?: number): Promise<RgbImage> => {
    const given = await readSource(source);
    if (typeof given === 'object' && 'width' in given) return squareOf(given, size, place);
    const plain = typeof given === 'object' && decodePlainPng(given);
    if (plain) return squareOf(plain, size, place);
    const image = await openImage(given);
    const pixels = image.width * image.height;
    await budget.take(pixels);
    try {
      return await decodeSquareOf(image, size, place);
    } finally {
      budget.give(pixels);
    }
  };
  return tryEach(sources, async (source, i) => {
    try {
      return use(await decodeOne(source, places?.[i]), i);
    } finally {
      onProgress?.(++done, sources.length);
    }
  });
}

/** What `f` gives for each item, or why its picture cannot be decoded; eight at once. Any other error ends all. */
export async function tryEach<A, B>(
  items: readonly A[],
  f: (item: A, index: number) => Promise<B>,
): Promise<(B | Undecodable)[]> {
  const results = new Array<B | Undecodable>(items.length);
  let next = 0;
  const work = async () => {
    while (next < items.length) {
      const i = next++;
      try {
        results[i] = await f(items[i], i);
      } catch (error) {
        if (!(error instanceof Undecodable)) {
          next = items.length; // the others stop, too
          throw error;
        }
        results[i] = error;
      }
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  return results;
}

/** The path, bytes or pixels of a picture. @throws Undecodable when a part of a file cannot be read */
export function readSource(source: PictureSource): ReturnType<Exclude<PictureSource, FileSource>> | string {
  if (typeof source === 'string') return source;
  if (typeof source === 'function') return source();
  return 'group' in source ? readCell(source) : readPart(source);
}

/** Pixels that are a square of that size already stay as they are. */
const squareOf = (image: RgbImage, size: number, place?: number): RgbImage =>
  image.width === size && image.height === size ? image : resizeToSquare(image, size, place);

/** '3 of 500 pictures cannot be read: a.png (an HTML page), b.jpg (…), ….' */
export function describeBroken(broken: readonly { name: string; error: Undecodable }[], total: number): string {
  const first = broken.slice(0, listed).map(({ name, error }) => `${name} (${error.found})`);
  const list = [...first, ...(broken.length > listed ? ['…'] : [])].join(', ');
  return `${broken.length} of ${total} pictures cannot be read: ${list}.`;
}

/** An amount that is shared: who wants more than is left waits, in turn. More than the whole is given to one alone. */
class Budget {
  readonly #whole: number;
  #left: number;
  readonly #waiting: { readonly amount: number; readonly start: () => void }[] = [];

  constructor(whole: number) {
    this.#whole = whole;
    this.#left = whole;
  }

  take(amount: number): Promise<void> {
    return new Promise((start) => {
      this.#waiting.push({ amount: Math.min(amount, this.#whole), start });
      this.#serve();
    });
  }

  give(amount: number): void {
    this.#left += Math.min(amount, this.#whole);
    this.#serve();
  }

  #serve(): void {
    while (this.#waiting.length > 0 && this.#waiting[0].amount <= this.#left) {
      const { amount, start } = this.#waiting.shift()!;
      this.#left -= amount;
      start();
    }
  }
}
