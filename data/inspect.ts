/** What a path holds, without loading it: how many pictures of which classes and sizes, what is left out and why. */
import { basename, resolve } from 'node:path';
import { findImages } from './data-files.ts';
import { openImage } from './decoding.ts';
import { Undecodable } from './errors.ts';
import type { LabeledPicture } from './folder-layout.ts';
import { chooseHeldOut } from './hold-out.ts';
import type { LeftOut } from './left-out.ts';
import { atOnce, mostPixelsAtOnce, type PictureSource, readSource, tryEach } from './squares.ts';

/** What `inspectImages` finds. */
export interface ImagesReport {
  /** 'picture files', 'IDX', 'CIFAR', 'NumPy', 'Parquet', 'WebDataset', 'a table'. */
  readonly format: string;
  readonly train: number;
  readonly heldOut: number;
  readonly classes: readonly { readonly name: string; readonly train: number; readonly heldOut: number }[];
  /** Pixels, of the pictures that can be read; undefined when there are none. */
  readonly sizes?: { readonly width: Range; readonly height: Range };
  /** Pictures that cannot be read. Their headers are looked at: damage further on is found when they are decoded. */
  readonly broken: readonly { readonly name: string; readonly found: string }[];
  readonly leftOut: readonly LeftOut[];
  readonly notes: readonly string[];
  /** Bytes that the dataset takes at `size`, and while it is read at most, without the files that are read as a whole. */
  readonly memory: { readonly size: number; readonly dataset: number; readonly peak: number };
}

/** The smallest, the middle and the largest value. */
export interface Range {
  readonly least: number;
  readonly median: number;
  readonly most: number;
}

/**
 * Inspects a folder of pictures or of data files, or a data file. Reads the header of every picture.
 *
 * @param options  size: pixels that memory is estimated for; fraction: of the images to hold out, if the data does not say which
 * @throws DataError as `loadImageFolder`, but not for pictures that cannot be read
 */
export async function inspectImages(
  path: string,
  { size = 32, fraction = 0.1 }: { readonly size?: number; readonly fraction?: number } = {},
): Promise<ImagesReport> {
  const { layout, format, leftOut, ignored } = await findImages(path, basename(resolve(path)) || path);
  const { classes, pictures, heldOut } = layout;
  const all = [...pictures, ...(heldOut?.pictures ?? [])];
  const headers = await headersOf(all.map(({ source }) => source));
  const isWhole = new Map(all.map((picture, i) => [picture, !(headers[i] instanceof Undecodable)]));
  const whole = (some: readonly LabeledPicture[]) => some.filter((picture) => isWhole.get(picture));
  const own = whole(pictures);
  const chosen: ReadonlySet<LabeledPicture> = heldOut
    ? new Set(whole(heldOut.pictures))
    : chooseHeldOut(own, classes, fraction);
  const counts = classes.map((name) => ({ name, train: 0, heldOut: 0 }));
  for (const picture of own) if (!chosen.has(picture)) counts[picture.label].train++;
  for (const { label } of chosen) counts[label].heldOut++;
  const sizes = headers.filter((header): header is Size => !(header instanceof Undecodable));
  const largest = sizes.reduce((most, { width, height }) => Math.max(most, width * height), 0);
  const dataset = sizes.length * 3 * size * size;
  return {
    format,
    train: counts.reduce((sum, { train }) => sum + train, 0),
    heldOut: chosen.size,
    classes: counts,
    ...(sizes.length > 0 && {
      sizes: { width: rangeOf(sizes.map(({ width }) => width)), height: rangeOf(sizes.map(({ height }) => height)) },
    }),
    broken: headers.flatMap((error, i) =>
      error instanceof Undecodable ? [{ name: all[i].name, found: error.found }] : [],
    ),
    leftOut: [...leftOut.list, ...ignored.list.map((one) => ({ ...one, reason: `${one.reason} (ignored)` }))],
    notes: layout.notes,
    // the pictures are decoded into one array each, and copied into the sets
    memory: { size, dataset, peak: 2 * dataset + 3 * Math.max(largest, Math.min(mostPixelsAtOnce, atOnce * largest)) },
  };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size of each picture, or why it cannot be read. */
const headersOf = (sources: readonly PictureSource[]): Promise<(Size | Undecodable)[]> =>
  tryEach(sources, async (source) => {
    const given = await readSource(source);
    const { width, height } = typeof given === 'object' && 'width' in given ? given : await openImage(given);
    return { width, height };
  });

function rangeOf(values: readonly number[]): Range {
  const sorted = [...values].sort((a, b) => a - b);
  return { least: sorted[0], median: sorted[sorted.length >> 1], most: sorted[sorted.length - 1] };
}
