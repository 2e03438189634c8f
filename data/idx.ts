/**
 * IDX files, as MNIST and its followers come: pictures in one file and their classes, as numbers, in another.
 *
 *   train-images-idx3-ubyte  train-labels-idx1-ubyte  t10k-images-idx3-ubyte  t10k-labels-idx1-ubyte    each perhaps with .gz
 *
 * @see http://yann.lecun.com/exdb/mnist/, "The IDX file format"
 */
import { existsSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { DataError } from '../core/index.ts';
import { dataBytes, mostFileBytes } from './data-bytes.ts';
import { reason } from './errors.ts';
import { mostUnpacked } from './limits.ts';
import type { RgbImage } from './pixels.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { splitOf } from './split.ts';

/** Values of an IDX file, row-major. */
interface IdxArray {
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** Whether the bytes of a file, unpacked, begin an IDX file of bytes. */
export const isIdx = (head: Uint8Array): boolean =>
  head[0] === 0 && head[1] === 0 && head[2] === 8 && head[3] >= 1 && head[3] <= 4 && head.length >= 4 + 4 * head[3];

/** Whether an IDX file holds pictures, rather than their labels. */
export const hasPictures = (head: Uint8Array): boolean => isIdx(head) && head[3] >= 3;

/**
 * Reads files of pictures with the files of labels beside them.
 *
 * @param root  names are paths below it
 * @throws DataError for damaged files, another number of labels than pictures, or files beyond 2 GB
 */
export function readIdx(paths: readonly string[], root: string): Samples {
  const notes: string[] = [];
  const samples = paths.flatMap((path) => {
    const { shape, data } = readArray(path);
    const [count, height, width, channels = 1] = shape;
    if (shape.length < 3 || (channels !== 1 && channels !== 3) || height * width === 0) {
      throw new DataError(`${path}: expected pictures [count, height, width], got [${shape.join(', ')}].`);
    }
    const labels = labelsBeside(path, count);
    if (!labels) notes.push(`${basename(path)}: no labels beside it (${basename(labelPath(path))})`);
    const each = height * width * channels;
    const name = nameBelow(root, path);
    const split = splitOf(name);
    return Array.from(
      { length: count },
      (_, i): Sample => ({
        source: () => toRgb(data.subarray(i * each, (i + 1) * each), width, height),
        name: `${name}#${i}`,
        ...(labels && { className: String(labels[i]) }),
        split,
      }),
    );
  });
  return { samples, notes };
}

/** Gray is repeated. @param values  [height, width], or [height, width, 3] */
export function toRgb(values: Uint8Array, width: number, height: number): RgbImage {
  if (values.length === 3 * width * height) return { width, height, data: values };
  const data = new Uint8Array(3 * values.length);
  for (const [i, value] of values.entries()) data.fill(value, 3 * i, 3 * i + 3);
  return { width, height, data };
}

const labelPath = (path: string): string =>
  join(dirname(path), basename(path).replace('images', 'labels').replace(/idx\d/, 'idx1'));

/** The labels of a file of pictures; undefined when there are none. */
function labelsBeside(path: string, count: number): Uint8Array | undefined {
  const plain = labelPath(path).replace(/\.gz$/, '');
  const found = [plain, `${plain}.gz`].find((other) => other !== path && existsSync(other));
  if (found === undefined) return undefined;
  const { shape, data } = readArray(found);
  if (shape.length === 1 && shape[0] === count) return data;
  throw new DataError(`${found}: expected ${count} labels, as ${path} has pictures, got [${shape.join(', ')}].`);
}

function readArray(path: string): IdxArray {
  const file = dataBytes(path);
  const size = file.length;
  const isPacked = file[0] === 0x1f && file[1] === 0x8b;
  const head = isPacked ? unpackedHead(file) : file;
  if (!isIdx(head)) throw new DataError(`${path}: expected an IDX file of bytes, got another one, or a damaged one.`);
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  const shape = Array.from({ length: head[3] }, (_, i) => view.getUint32(4 + 4 * i));
  const from = 4 + 4 * shape.length;
  const length = from + shape.reduce((product, n) => product * n, 1);
  const most = Math.min(mostUnpacked(size), mostFileBytes);
  if (isPacked ? length > most : length !== size) {
    const expected = isPacked ? `at most ${most} unpacked bytes` : `${length} bytes`;
    const got = isPacked
      ? `a claim of ${length} in a file of ${size}. Is it damaged?`
      : `a file of ${size}. Is it complete?`;
    throw new DataError(`${path}: expected ${expected} for [${shape.join(', ')}], got ${got}`);
  }
  const bytes = isPacked ? unpacked(path, file, length) : file;
  return { shape, data: bytes.subarray(from) };
}

/** The first bytes of a gzip file; none when it is damaged. */
export function unpackedHead(file: Uint8Array): Uint8Array {
  try {
    // flush: a file that is cut short gives what it has
    return gunzipSync(file.subarray(0, 1024), { finishFlush: 2 /* Z_SYNC_FLUSH */ });
  } catch {
    return new Uint8Array();
  }
}

function unpacked(path: string, file: Uint8Array, length: number): Uint8Array {
  try {
    const bytes = gunzipSync(file, { maxOutputLength: length });
    if (bytes.length === length) return bytes;
    throw new Error(`${bytes.length} of ${length} bytes`);
  } catch (error) {
    throw new DataError(
      `${path}: expected a whole gzip file of ${length} bytes, got ${reason(error)}. Download it again.`,
      {
        cause: error,
      },
    );
  }
}
