/** Your own images as a dataset: a folder of pictures (folder-layout.ts says what it may look like), or data files (data-files.ts). */
import { basename, resolve } from 'node:path';
import { DataError, expectNumber, expectWhole } from '../core/index.ts';
import { findImages } from './data-files.ts';
import { classCounts, type ImageDataset, type ImageSet, imageSet, type LabeledImage } from './dataset.ts';
import { megabytes, Undecodable } from './errors.ts';
import { emptyClass, type LabeledPicture, type Layout } from './folder-layout.ts';
import { chooseHeldOut } from './hold-out.ts';
import { describeLeftOut, type LeftOutCounter } from './left-out.ts';
import { toPlanes } from './pixels.ts';
import { decodeEach, describeBroken } from './squares.ts';

/** Options of `loadImageFolder`. */
export interface FolderOptions {
  /**
   * Fraction of the images to hold out if no folder does: round(fraction · n), at least 2, chosen by class and file name.
   * Default: 0.1.
   */
  readonly heldOutFraction?: number;
  /** Goes on without pictures that cannot be read, and lists them in `leftOut`. Default: false, an error. */
  readonly skipBroken?: boolean;
  /** Memory limit for the images; default: 2e9. */
  readonly maxBytes?: number;
  /** Called after each picture. */
  readonly onProgress?: (decoded: number, total: number) => void;
}

/**
 * Loads pictures: those below a folder, or those in data files (data-files.ts). Resizes the shorter edge to `size`
 * (antialiased bicubic) and crops the center square. For random crops, load a larger size and let `batches` crop. All images are decoded once and kept as bytes (256 × 256:
 * 0.2 MB each).
 * @param folder  of pictures or of data files, or a data file
 * @param size    pixels
 * @throws DataError for a folder without pictures, damaged data files, a class without pictures, pictures that cannot be read (all in one
 *   message), or images beyond `maxBytes`; OptionError for a size or fraction out of range
 */
export async function loadImageFolder(
  folder: string,
  size: number,
  options: FolderOptions = {},
): Promise<ImageDataset> {
  const { heldOutFraction, maxBytes = 2e9 } = options;
  expectWhole('loadImageFolder, size', size, 1, 4096);
  if (heldOutFraction !== undefined) expectNumber('loadImageFolder, heldOutFraction', heldOutFraction, 0, 1);
  const name = basename(resolve(folder)) || folder;
  const { layout, leftOut, ignored } = await findImages(folder, name);
  const total = layout.pictures.length + (layout.heldOut?.pictures.length ?? 0);
  if (total * 3 * size * size > maxBytes) {
    throw new DataError(
      `${folder}: expected images of at most ${megabytes(maxBytes)} in memory, got ${total} of ${size}×${size} = ` +
        `${megabytes(total * 3 * size * size)}. Choose a smaller size or fewer images, or raise maxBytes.`,
    );
  }
  const { own, heldOut } = await decodePictures(folder, layout, size, options, leftOut);
  const { classes, notes } = layout;
  const empty = classes.find((_, label) => ![...own, ...heldOut].some((image) => image.label === label));
  if (empty !== undefined) throw emptyClass(folder, empty, leftOut);
  const chosen = layout.heldOut ? new Set(heldOut) : chooseHeldOut(own, classes, heldOutFraction ?? 0.1);
  const train = imageSet(
    own.filter((image) => !chosen.has(image)),
    size,
  );
  const validation = imageSet(
    [...own, ...heldOut].filter((image) => chosen.has(image)),
    size,
  );
  return {
    name,
    size,
    classes,
    train,
    validation,
    leftOut: leftOut.list,
    notes: [
      ...notes,
      ...(layout.heldOut && heldOutFraction !== undefined
        ? [`${layout.heldOut.name} is held out; the fraction of ${heldOutFraction} is not used`]
        : []),
      ...untrained(train, classes),
      ...(ignored.list.length > 0 ? [describeLeftOut(ignored.list, 'ignored')!] : []),
    ],
  };
}

type Loaded = LabeledImage & LabeledPicture;

/** Decodes all pictures. @throws DataError that lists those that cannot be read, unless they are skipped */
async function decodePictures(
  folder: string,
  { pictures, heldOut }: Layout,
  size: number,
  { skipBroken = false, onProgress }: FolderOptions,
  leftOut: LeftOutCounter,
): Promise<{ own: Loaded[]; heldOut: Loaded[] }> {
  const all = [...pictures, ...(heldOut?.pictures ?? [])];
  const results = await decodeEach(
    all.map(({ source }) => source),
    size,
    (square, i): Loaded => ({ ...all[i], planes: toPlanes(square) }),
    onProgress,
  );
  const broken: { name: string; error: Undecodable }[] = [];
  for (const [i, error] of results.entries()) {
    if (!(error instanceof Undecodable)) continue;
    const { name } = all[i];
    if (error.kind?.picture === 'unknown') {
      leftOut.add(`${error.kind.name.replace(/^an? /, '')}s, which cannot be decoded: save them as PNG or JPEG`, name);
    } else broken.push({ name, error });
  }
  if (broken.length > 0 && !skipBroken) {
    throw new DataError(
      `${folder}: ${describeBroken(broken, all.length)} ` +
        'Remove them or save them again, or go on without them with --skip-broken (skipBroken: true).',
    );
  }
  for (const { name, error } of broken) leftOut.add('cannot be read', `${name}: ${error.found}`);
  const decoded = (from: number, to?: number) =>
    results.slice(from, to).filter((result): result is Loaded => !(result instanceof Undecodable));
  return { own: decoded(0, pictures.length), heldOut: decoded(pictures.length) };
}

/** A note about classes all of whose images are held out. */
function untrained(train: ImageSet, classes: readonly string[]): string[] {
  const counts = classCounts(train, classes.length);
  const without = classes.filter((_, label) => counts[label] === 0);
  if (without.length === 0) return [];
  const names = without.slice(0, 3).join(', ') + (without.length > 3 ? ', …' : '');
  return [`without training images: ${without.length} of ${classes.length} classes (${names})`];
}
