/** Datasets: 8-bit images of one size, each with a class; in memory, or to train on as a stream. */
import { DataError, expectWhole } from '../core/index.ts';
import type { LeftOut } from './left-out.ts';

/** What is known of images without their pixels. */
export interface ImageList {
  readonly count: number;
  readonly size: number; // pixels, width and height
  readonly labels: Int32Array; // indices into the dataset's classes
  readonly names: readonly string[];
}

/** Images of one size with their labels, in memory. */
export interface ImageSet extends ImageList {
  readonly images: Uint8Array; // [count, 3, size, size], 0..255
}

/** Images of one size with their labels, each decoded when it is needed. `openImageFolder` makes them. */
export interface ImageStream extends ImageList {
  /** 16 hex digits from names, labels, and positions and sizes in files; pixels do not count. */
  readonly fingerprint: string;
  /** Images that wait for their turn in the shuffled order; undefined: all, as in memory. */
  readonly shuffleBuffer?: number | undefined;
  /** Whether `batches` draws where each square is cut along the longer edge of its picture; else from the middle. */
  readonly randomCrop?: boolean;
  /** Decodes ahead of need. */
  reader(): ImageReader;
}

/** Decodes images in the background, in the order of the requests. */
export interface ImageReader {
  /** Requests that were not taken yet. */
  readonly waiting: number;
  /**
   * Asks for images; `take` gives them in the order of the requests.
   *
   * @param places  of the squares along the longer edges, each from 0 up to but not including 1; default: the middle
   */
  request(indices: readonly number[], places?: readonly number[]): void;
  /** Waits for the earliest request: [its indices, 3, size, size]. @throws DataError for a picture that cannot be read */
  take(): Uint8Array;
}

/** Images to train on, in memory or streamed, and images held out; they share their classes. */
export interface Dataset {
  readonly name: string;
  readonly size: number; // pixels, width and height
  readonly classes: readonly string[];
  readonly train: ImageSet | ImageStream;
  readonly validation: ImageSet;
  /** Files and images that are in neither set, and why. */
  readonly leftOut?: readonly LeftOut[];
  /** How the folder was read, where that is not plain: 'no validation folder: test/ is held out'. */
  readonly notes?: readonly string[];
  /** Classes whose images are as good mirrored, which doubles their variety in training; default: none. */
  readonly mirrored?: readonly string[];
}

/** A dataset in memory. */
export interface ImageDataset extends Dataset {
  readonly train: ImageSet;
}

/** Whether images are decoded when they are needed. */
export const isStream = (images: ImageSet | ImageStream): images is ImageStream => 'reader' in images;

/** One image, as `imageSet` takes it. */
export interface LabeledImage {
  readonly planes: Uint8Array; // [3, size, size]
  readonly label: number;
  readonly name: string;
}

/**
 * Packs images of `size` × `size` pixels into a set.
 * @throws OptionError for a size that is not a whole number ≥ 1; DataError for planes of another size, or a label that is not
 *   a whole number ≥ 0
 */
export function imageSet(items: readonly LabeledImage[], size: number): ImageSet {
  expectWhole('imageSet, size', size, 1, 65_535);
  const each = 3 * size * size;
  for (const { planes, label, name } of items) {
    if (planes.length !== each)
      throw new DataError(
        `imageSet: expected planes [3, ${size}, ${size}] of ${each} bytes for ${name}, got ${planes.length}.`,
      );
    if (!Number.isInteger(label) || label < 0)
      throw new DataError(`imageSet: expected a whole number ≥ 0 as the label of ${name}, got ${label}.`);
  }
  const images = new Uint8Array(items.length * each);
  items.forEach(({ planes }, i) => {
    images.set(planes, i * each);
  });
  return {
    count: items.length,
    size,
    images,
    labels: Int32Array.from(items, ({ label }) => label),
    names: items.map(({ name }) => name),
  };
}

/** How many images each class has. @throws DataError for a label that is none of them */
export function classCounts(set: ImageList, classes: number): number[] {
  const counts = new Array<number>(classes).fill(0);
  for (const label of set.labels) {
    if (!(label in counts)) throw new DataError(`classCounts: expected labels in 0..${classes - 1}, got ${label}.`);
    counts[label]++;
  }
  return counts;
}

/** FNV-1a, 32 bits. */
export function hashName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}

/** Decides by name whether an image is held out: true for about `fraction` of all names, always for the same ones. */
export function isHeldOut(name: string, fraction: number): boolean {
  return hashName(name) % 1000 < fraction * 1000;
}
