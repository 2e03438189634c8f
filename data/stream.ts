/** Pictures as a stream: listed at once, decoded when they are needed. Memory does not grow with their number, but for the list. */
import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { DataError } from '../core/index.ts';
import type { ImageReader, ImageStream } from './dataset.ts';
import { type Broken, DecodingThread } from './decoding-thread.ts';
import { Undecodable } from './errors.ts';
import { describeBroken, type FileSource } from './squares.ts';

/** A picture of a stream. */
export interface StreamedPicture {
  readonly source: FileSource;
  readonly name: string;
  readonly label: number;
}

/** Options of `streamOf`. */
export interface StreamOptions {
  /** Images that the shuffled order is drawn from (`bufferedOrder`); default: all. */
  readonly shuffleBuffer?: number | undefined;
  /** Cuts the squares at random places along the longer edges. Default: false, from the middle. */
  readonly randomCrop?: boolean | undefined;
  /** Puts another picture of the class in the place of one that cannot be read. Default: false, an error. */
  readonly skipBroken?: boolean;
  /** Receives a message for each of the first ten pictures that are skipped. */
  readonly notify?: (message: string) => void;
}

const told = 10;

interface Asked {
  readonly id: number;
  readonly indices: readonly number[];
  readonly places: readonly number[] | undefined;
  readonly pixels: Uint8Array;
}

/** @param path  of the dataset, for errors    @throws DataError for files that are missing */
export function streamOf(
  path: string,
  pictures: readonly StreamedPicture[],
  size: number,
  { shuffleBuffer, randomCrop = false, skipBroken = false, notify }: StreamOptions = {},
): ImageStream {
  const labels = Int32Array.from(pictures, ({ label }) => label);
  const each = 3 * size * size;
  const thread = new DecodingThread();
  const broken = new Set<number>();

  /** Another picture of the class: the next one that is not known to be broken. */
  function substitute(index: number): number {
    for (let step = 1; step < pictures.length; step++) {
      const other = (index + step) % pictures.length;
      if (labels[other] === labels[index] && !broken.has(other)) return other;
    }
    throw new DataError(`${path}: expected pictures like ${pictures[index].name}, got none that can be read.`);
  }

  function skip(index: number, { found, isUnknown }: Broken): void {
    const { name } = pictures[index];
    if (!skipBroken && !isUnknown) {
      throw new DataError(
        `${path}: ${name} cannot be read: ${found}. Remove it or save it again, or go on without such pictures with ` +
          '--skip-broken (skipBroken: true).',
      );
    }
    if (broken.has(index)) return;
    broken.add(index);
    if (broken.size <= told) {
      const more = broken.size === told ? ' Further ones are not told.' : '';
      notify?.(`${name} cannot be read: ${found}. Others of its class take its place.${more}`);
    }
  }

  function reader(): ImageReader {
    const requests: Asked[] = [];
    const ask = (wanted: readonly number[], pixels: Uint8Array, places?: readonly number[]): Asked => {
      const indices = wanted.map((index) => (broken.has(index) ? substitute(index) : index));
      const sources = indices.map((index) => pictures[index].source);
      return { id: thread.request({ sources, size, places, pixels }), indices, places, pixels };
    };
    const free: Uint8Array[] = [];
    return {
      get waiting() {
        return requests.length;
      },
      request(indices, places) {
        const at = free.findIndex(({ length }) => length === indices.length * each);
        const pixels = at < 0 ? new Uint8Array(new SharedArrayBuffer(indices.length * each)) : free.splice(at, 1)[0];
        requests.push(ask(indices, pixels, places));
      },
      take() {
        const { id, indices, places, pixels } = requests.shift()!;
        for (const error of thread.wait(id)) {
          const place = pixels.subarray(error.at * each, (error.at + 1) * each);
          let index = indices[error.at];
          for (let again: Broken | undefined = error; again; ) {
            skip(index, again);
            index = substitute(index);
            [again] = thread.wait(ask([index], place, places && [places[error.at]]).id);
          }
        }
        free.push(pixels);
        return pixels.slice();
      },
    };
  }

  return {
    count: pictures.length,
    size,
    labels,
    names: pictures.map(({ name }) => name),
    fingerprint: fingerprintOf(path, pictures, skipBroken),
    ...(shuffleBuffer !== undefined && { shuffleBuffer }),
    randomCrop,
    reader,
  };
}

/** 16 hex digits from names, labels and places, in their order. @throws DataError for missing files, unless they are skipped */
function fingerprintOf(path: string, pictures: readonly StreamedPicture[], skipBroken: boolean): string {
  const hash = createHash('sha256');
  const missing: { name: string; error: Undecodable }[] = [];
  for (const { source, name, label } of pictures) {
    const [position, bytes] = typeof source === 'string' ? [0, bytesIn(source)] : [source.position, source.size];
    if (bytes < 0) missing.push({ name, error: new Undecodable('a file that is not there') });
    hash.update(`${JSON.stringify([name, label, position, bytes])}\n`);
  }
  if (missing.length > 0 && !skipBroken)
    throw new DataError(
      `${path}: ${describeBroken(missing, pictures.length)} Remove them from the table, or go on without them with --skip-broken (skipBroken: true).`,
    );
  return hash.digest('hex').slice(0, 16);
}

/** −1: there is no such file. */
const bytesIn = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? -1;
