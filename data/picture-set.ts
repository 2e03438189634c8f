/** Pictures to compare with others: a folder with all below it, or an .npz file of samples as public evaluators read it. */
import { statSync } from 'node:fs';
import { DataError, expectWhole } from '../core/index.ts';
import { type ImageSet, imageSet } from './dataset.ts';
import { openImage } from './decoding.ts';
import { megabytes, Undecodable } from './errors.ts';
import { picturesIn, readTree } from './folder-tree.ts';
import { LeftOutCounter } from './left-out.ts';
import { readNpz, writeNpz } from './npz.ts';
import { expectImage, type RgbImage, toPlanes } from './pixels.ts';
import { resizeToSquare } from './resize.ts';
import { decodeSquares } from './squares.ts';

/** Pictures of one size, with classes where they have some. */
export interface PictureSet {
  readonly set: ImageSet;
  /** How many classes the labels tell apart; 0: the pictures have none, and all labels are 0. */
  readonly classes: number;
}

/** Options of `loadPictureSet`. */
export interface PictureSetOptions {
  /** Pixels; each picture is scaled and cropped to that square. Default: as they are, which must be squares of one size. */
  readonly size?: number;
  /** Called after each picture. */
  readonly onProgress?: (decoded: number, total: number) => void;
}

const mostBytes = 2e9; // of pixels in memory

/**
 * Loads pictures. In a folder, all picture files below it count; their classes are the sub-folders, unless pictures lie beside
 * these. An .npz file holds `arr_0` [count, height, width, 3] uint8, and perhaps labels in `arr_1` [count].
 *
 * @throws DataError without pictures, for pictures of several sizes or oblong ones unless a size is given, for pictures that
 *   cannot be read, or beyond 2 GB
 */
export async function loadPictureSet(path: string, options: PictureSetOptions = {}): Promise<PictureSet> {
  if (options.size !== undefined) expectWhole('loadPictureSet, size', options.size, 1, 4096);
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return fromNpz(path, options);
  return fromFolder(path, options);
}

async function fromFolder(path: string, { size, onProgress }: PictureSetOptions): Promise<PictureSet> {
  const files = picturesIn(readTree(path, { leftOut: new LeftOutCounter(), ignored: new LeftOutCounter() }));
  if (files.length === 0) throw new DataError(`${path}: expected pictures, got a folder without any.`);
  const paths = files.map((file) => file.path);
  const side = size ?? (await sharedSize(paths, path));
  expectRoom(path, files.length, side);
  const squares = await decodeSquares(paths, side, onProgress);
  const folders = files.map(({ name }) => (name.includes('/') ? name.slice(0, name.indexOf('/')) : undefined));
  const names = folders.includes(undefined) ? [] : [...new Set(folders)];
  const items = squares.map((square, i) => ({
    planes: toPlanes(square),
    label: Math.max(0, names.indexOf(folders[i])),
    name: files[i].name,
  }));
  return { set: imageSet(items, side), classes: names.length };
}

/** The size that all pictures have, from their headers. */
async function sharedSize(paths: readonly string[], folder: string): Promise<number> {
  let first: { readonly path: string; readonly side: number } | undefined;
  for (const path of paths) {
    const { width, height } = await openImage(path).catch((error) => {
      if (error instanceof Undecodable) throw new DataError(`${path}: expected a picture, ${error.message}`);
      throw error;
    });
    first ??= { path, side: width };
    if (width !== height || width !== first.side) {
      const other = width === height ? ` (${first.path} has ${first.side}×${first.side})` : '';
      throw new DataError(
        `${folder}: expected squares of one size, got ${path} of ${width}×${height}${other}. ${advice}`,
      );
    }
  }
  return first!.side;
}

const advice = 'Give a size in pixels (--size) to scale and crop all pictures to it.';

function fromNpz(path: string, { size, onProgress }: PictureSetOptions): PictureSet {
  const { arr_0: pictures, arr_1: given } = readNpz(path, ['arr_0', 'arr_1']);
  if (!pictures) throw new DataError(`${path}: expected pictures in arr_0, got no such array.`);
  const { shape, data } = pictures;
  const [count, height, width, channels] = shape;
  if (!(data instanceof Uint8Array) || shape.length !== 4 || channels !== 3 || data.length === 0) {
    const type = data.constructor.name.replace('Array', '').toLowerCase();
    throw new DataError(
      `${path}: expected arr_0 [count, height, width, 3] of uint8, got [${shape.join(', ')}] of ${type}.`,
    );
  }
  if (size === undefined && height !== width) {
    throw new DataError(`${path}: expected squares, got pictures of ${width}×${height}. ${advice}`);
  }
  const side = size ?? width;
  expectRoom(path, count, side);
  const labels = given && labelsOf(given.data, given.shape, count, path);
  const each = height * width * 3;
  const items = Array.from({ length: count }, (_, i) => {
    const picture = { width, height, data: data.subarray(i * each, (i + 1) * each) };
    const square = width === side && height === side ? picture : resizeToSquare(picture, side);
    onProgress?.(i + 1, count);
    return { planes: toPlanes(square), label: labels?.[i] ?? 0, name: String(i) };
  });
  return { set: imageSet(items, side), classes: labels ? Math.max(...new Set(labels)) + 1 : 0 };
}

function labelsOf(data: ArrayLike<number | bigint>, shape: readonly number[], count: number, path: string): number[] {
  const labels = Array.from(data, Number);
  const bad = labels.find((label) => !Number.isInteger(label) || label < 0 || label > 65_535);
  if (shape.length === 1 && labels.length === count && bad === undefined) return labels;
  const got = bad === undefined ? `shape [${shape.join(', ')}]` : String(bad);
  throw new DataError(`${path}: expected ${count} labels from 0 to 65,535 in arr_1, got ${got}.`);
}

function expectRoom(path: string, count: number, side: number): void {
  const bytes = count * 3 * side * side;
  if (bytes <= mostBytes) return;
  throw new DataError(
    `${path}: expected pictures of at most ${megabytes(mostBytes)} in memory, got ${count} of ${side}×${side} = ${megabytes(bytes)}. Give a smaller size (--size).`,
  );
}

/**
 * Writes pictures as public evaluators read them (the form of ADM's): `arr_0` [count, height, width, 3] uint8 and, if there
 * are labels, `arr_1` [count] int64.
 *
 * @throws DataError unless all pictures have one size and each has a label, a whole number, or when the file cannot be written
 * @see Dhariwal and Nichol 2021, arXiv:2105.05233; github.com/openai/guided-diffusion, evaluations/
 */
export function writePictureNpz(path: string, pictures: readonly RgbImage[], labels?: ArrayLike<number>): void {
  const [first] = pictures;
  const other = pictures.find(({ width, height }) => width !== first.width || height !== first.height);
  if (!first || other) {
    const got = other ? `${first.width}×${first.height} and ${other.width}×${other.height}` : 'none';
    throw new DataError(`${path}: expected pictures of one size, got ${got}.`);
  }
  if (labels && labels.length !== pictures.length) {
    throw new DataError(`${path}: expected a label for each of ${pictures.length} pictures, got ${labels.length}.`);
  }
  const bad = Array.from(labels ?? []).find((label) => !Number.isSafeInteger(label));
  if (bad !== undefined) throw new DataError(`${path}: expected whole numbers as labels, got ${bad}.`);
  for (const picture of pictures) expectImage(path, picture);
  const { width, height } = first;
  const data = new Uint8Array(pictures.length * height * width * 3);
  for (const [i, picture] of pictures.entries()) data.set(picture.data, i * height * width * 3);
  writeNpz(path, {
    arr_0: { shape: [pictures.length, height, width, 3], data },
    ...(labels && { arr_1: { shape: [labels.length], data: BigInt64Array.from(Array.from(labels, BigInt)) } }),
  });
}
