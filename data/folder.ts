/** Your own images as a dataset: a folder of pictures (folder-layout.ts says what it may look like), or data files (data-files.ts). */
import { basename, resolve } from 'node:path';
import { DataError, expectKnown, expectNumber, expectOption, expectWhole } from '../core/index.ts';
import { type FoundImages, findImages } from './data-files.ts';
import {
  classCounts,
  type Dataset,
  type ImageDataset,
  type ImageList,
  imageSet,
  type LabeledImage,
} from './dataset.ts';
import { megabytes, Undecodable } from './errors.ts';
import { emptyClass, type LabeledPicture, type Layout } from './folder-layout.ts';
import { chooseHeldOut } from './hold-out.ts';
import { describeLeftOut, type LeftOutCounter } from './left-out.ts';
import { toPlanes } from './pixels.ts';
import { decodeEach, describeBroken } from './squares.ts';
import { type StreamedPicture, streamOf } from './stream.ts';

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

/** Options of `openImageFolder`. */
export interface ImageFolderOptions extends FolderOptions {
  /** Decodes training images when they are needed. Default: if all images take more than `maxBytes`. */
  readonly stream?: boolean | undefined;
  /** Of a stream: images that the shuffled order is drawn from; fewer keep reads close together. Default: all. */
  readonly shuffleBuffer?: number | undefined;
  /**
   * Of a stream: `batches` cuts the squares at random places along the longer edges, as the paper's stage 1 does. Default: from the
   * middle.
   */
  readonly randomCrop?: boolean | undefined;
  /** Receives messages while a stream is read: which pictures are skipped. */
  readonly notify?: (message: string) => void;
}

const folderOptions = ['heldOutFraction', 'skipBroken', 'maxBytes', 'onProgress'] satisfies (keyof FolderOptions)[];
const streamOptions = ['stream', 'shuffleBuffer', 'randomCrop', 'notify'] satisfies (keyof ImageFolderOptions)[];

/**
 * Loads pictures: those below a folder, or those in data files (data-files.ts). Resizes the shorter edge to `size`
 * (antialiased bicubic) and crops the center square. For random crops, load a larger size and let `batches` crop. All images are decoded once and kept as bytes (256 × 256:
 * 0.2 MB each).
 * @param folder  of pictures or of data files, or a data file
 * @param size    pixels
 * @throws DataError for a folder without pictures, damaged data files, a class without pictures, pictures that cannot be read (all in one
 *   message), or images beyond `maxBytes`; OptionError for an unknown option, or a size, fraction or limit out of range
 */
export async function loadImageFolder(
  folder: string,
  size: number,
  options: FolderOptions = {},
): Promise<ImageDataset> {
  expectKnown('loadImageFolder', options, folderOptions);
  return inMemory(await listFolder(folder, size, options), options);
}

/**
 * As `loadImageFolder`, but for data larger than memory: training images may be a stream, with the same batches. It is possible for
 * picture files, tables, WebDataset shards and Parquet. At most 10,000 held-out images are loaded.
 *
 * @throws DataError as `loadImageFolder`, or for a format that cannot be streamed; of a stream, training pictures that cannot be
 *   read are found when they are needed
 */
export async function openImageFolder(
  folder: string,
  size: number,
  options: ImageFolderOptions = {},
): Promise<Dataset> {
  expectKnown('openImageFolder', options, [...folderOptions, ...streamOptions]);
  const { stream, shuffleBuffer, randomCrop = false, maxBytes = mostBytes } = options;
  if (shuffleBuffer !== undefined) expectWhole('openImageFolder, shuffleBuffer', shuffleBuffer, 1, 2 ** 31 - 1);
  const needsStream = [shuffleBuffer !== undefined && '--shuffle-buffer', randomCrop && '--random-crop'].find(Boolean);
  if (needsStream) {
    const expected = `a stream with ${needsStream}`;
    expectOption(stream !== false, '--stream (stream)', expected, 'none', 'Leave one of them out.');
  }
  const listed = await listFolder(folder, size, options);
  const isTooLarge = bytesOf(listed) > maxBytes;
  const pictures = picturesOf(listed).filter(isFile);
  const isPossible = pictures.length === picturesOf(listed).length;
  const isWanted = stream ?? (needsStream ? true : undefined);
  if (isWanted && !isPossible) {
    throw new DataError(
      `${folder}: expected picture files, a table, WebDataset shards or Parquet to stream, got ${listed.format}, whose files are read whole. ` +
        `Write shards of it once, with 'titok data convert ${folder} SHARDS' (convertImages), or leave --stream (stream: true) out.`,
    );
  }
  if (!isPossible || !(isWanted ?? isTooLarge)) return inMemory(listed, options);
  return streamed(listed, options, isWanted === undefined);
}

const mostBytes = 2e9;
const mostHeldOut = 10_000; // of a stream, in memory

/** What a folder holds, with the size that its images shall have. */
interface Listed extends FoundImages {
  readonly folder: string;
  readonly name: string;
  readonly size: number; // pixels
}

async function listFolder(
  folder: string,
  size: number,
  { heldOutFraction, maxBytes = mostBytes }: FolderOptions,
): Promise<Listed> {
  expectNumber('loadImageFolder, maxBytes', maxBytes, 0, Infinity);
  expectWhole('loadImageFolder, size', size, 1, 4096);
  if (heldOutFraction !== undefined) expectNumber('loadImageFolder, heldOutFraction', heldOutFraction, 0, 1);
  const name = basename(resolve(folder)) || folder;
  return { ...(await findImages(folder, name)), folder, name, size };
}

const picturesOf = ({ layout: { pictures, heldOut } }: Listed) => [...pictures, ...(heldOut?.pictures ?? [])];
const bytesOf = (listed: Listed) => picturesOf(listed).length * 3 * listed.size ** 2;

async function inMemory(listed: Listed, options: FolderOptions): Promise<ImageDataset> {
  const { folder, name, size, layout, leftOut } = listed;
  const { heldOutFraction, maxBytes = mostBytes } = options;
  if (bytesOf(listed) > maxBytes) {
    throw new DataError(
      `${folder}: expected images of at most ${megabytes(maxBytes)} in memory, got ${picturesOf(listed).length} of ${size}×${size} = ` +
        `${megabytes(bytesOf(listed))}. Choose a smaller size or fewer images, or raise maxBytes.`,
    );
  }
  const { own, heldOut } = await decodePictures(folder, layout, size, options, leftOut);
  const { classes } = layout;
  const present = new Set([...own, ...heldOut].map(({ label }) => label));
  const empty = classes.find((_, label) => !present.has(label));
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
  const notes = notesOn(listed, options, train);
  return { name, size, classes, train, validation, leftOut: leftOut.list, notes };
}

type FilePicture = LabeledPicture & StreamedPicture;
const isFile = (picture: LabeledPicture): picture is FilePicture => typeof picture.source !== 'function';

/** Held-out images in memory, the others as a stream. @param isTooLarge  whether the stream was chosen because memory is too small */
async function streamed(listed: Listed, options: ImageFolderOptions, isTooLarge: boolean): Promise<Dataset> {
  const { folder, name, size, layout, leftOut } = listed;
  const { heldOutFraction = 0.1, maxBytes = mostBytes, shuffleBuffer, randomCrop } = options;
  const { classes } = layout;
  const pictures = layout.pictures.filter(isFile);
  const chosen = layout.heldOut ? [] : chooseHeldOut(pictures, classes, heldOutFraction);
  const isChosen = new Set<LabeledPicture>(chosen);
  const heldOut = layout.heldOut?.pictures ?? pictures.filter((picture) => isChosen.has(picture));
  const most = Math.min(mostHeldOut, Math.floor(maxBytes / 2 / (3 * size * size)));
  const measured = spread(heldOut, most);
  if (measured.length < heldOut.length)
    leftOut.add(`held out beyond the ${most} that are measured`, heldOut[0].name, heldOut.length - measured.length);
  const decoded = await decodePictures(folder, { pictures: measured }, size, options, leftOut);
  const train = streamOf(
    folder,
    pictures.filter((picture) => !isChosen.has(picture)),
    size,
    options,
  );
  const why = isTooLarge
    ? `, as all would take ${megabytes(bytesOf(listed))} of memory, more than ${megabytes(maxBytes)}`
    : '';
  const order = shuffleBuffer === undefined ? '' : `, shuffled by a buffer of ${shuffleBuffer}`;
  return {
    name,
    size,
    classes,
    train,
    validation: imageSet(decoded.own, size),
    leftOut: leftOut.list,
    notes: [
      `streamed: ${train.count.toLocaleString('en')} training images are decoded when they are needed${order}${why}`,
      ...(randomCrop ? ['training squares are cut at random places along the longer edges'] : []),
      ...notesOn(listed, options, train),
    ],
  };
}

/** At most so many, evenly. */
const spread = <T>(items: readonly T[], most: number): readonly T[] =>
  items.length <= most ? items : Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)]);

/** What is not plain from the names. */
function notesOn({ layout, ignored }: Listed, { heldOutFraction }: FolderOptions, train: ImageList): string[] {
  return [
    ...layout.notes,
    ...(layout.heldOut && heldOutFraction !== undefined
      ? [`${layout.heldOut.name} is held out; the fraction of ${heldOutFraction} is not used`]
      : []),
    ...untrained(train, layout.classes),
    ...(ignored.list.length > 0 ? [describeLeftOut(ignored.list, 'ignored')!] : []),
  ];
}

type Loaded = LabeledImage & LabeledPicture;

/** Decodes all pictures. @throws DataError that lists those that cannot be read, unless they are skipped */
async function decodePictures(
  folder: string,
  { pictures, heldOut }: Pick<Layout, 'pictures' | 'heldOut'>,
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
function untrained(train: ImageList, classes: readonly string[]): string[] {
  const counts = classCounts(train, classes.length);
  const without = classes.filter((_, label) => counts[label] === 0);
  if (without.length === 0) return [];
  const names = without.slice(0, 3).join(', ') + (without.length > 3 ? ', …' : '');
  return [`without training images: ${without.length} of ${classes.length} classes (${names})`];
}
