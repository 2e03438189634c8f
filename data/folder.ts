/**
 * Your own images: a folder with one folder per class.
 *
 *   pets/cat/1.jpg  pets/dog/7.png …                  10 % are held out, by file name
 *   pets/train/cat/1.jpg …  pets/val/cat/2.jpg …      or split by you
 *
 * All images are decoded once, cropped to a square and kept in memory as bytes (256 × 256: 0.2 MB each).
 */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { DataError, expectNumber, expectWhole } from '../core/index.ts';
import { type ImageDataset, type ImageSet, imageSet, isHeldOut, type LabeledImage } from './dataset.ts';
import { megabytes, reason } from './errors.ts';
import { decodeImage } from './images.ts';
import { toPlanes } from './pixels.ts';
import { centerCrop, resizeShorterEdge } from './resize.ts';

/** Options of `loadImageFolder`. */
export interface FolderOptions {
  /** Fraction of the images to hold out if there is no `val` folder; default: 0.1. */
  readonly heldOutFraction?: number;
  /** Memory limit for the images; default: 2e9. */
  readonly maxBytes?: number;
  /** Called after each image. */
  readonly onProgress?: (decoded: number, total: number) => void;
}

interface ImageFile {
  readonly path: string;
  readonly label: number;
}

const imageName = /\.(png|jpe?g|webp)$/i;
const inFlight = 8; // decodings at once, on sharp's threads

/**
 * Loads a folder of images: resizes the shorter edge to `size` (antialiased bicubic) and crops the center square. For
 * random crops, load a larger size and let `batches` crop.
 * @param size  pixels
 * @throws DataError for a folder without classes, a class without images, an unreadable image, or images beyond `maxBytes`
 */
export async function loadImageFolder(
  folder: string,
  size: number,
  options: FolderOptions = {},
): Promise<ImageDataset> {
  const { heldOutFraction = 0.1, maxBytes = 2e9, onProgress } = options;
  expectWhole('loadImageFolder, size', size, 1, 4096);
  expectNumber('loadImageFolder, heldOutFraction', heldOutFraction, 0, 1);
  const { classes, train, validation } = listFiles(folder, heldOutFraction);
  const total = train.length + validation.length;
  if (total * 3 * size * size > maxBytes) {
    throw new DataError(
      `${folder}: expected images of at most ${megabytes(maxBytes)} in memory, got ${total} of ${size}×${size} = ` +
        `${megabytes(total * 3 * size * size)}. Choose a smaller size or fewer images, or raise maxBytes.`,
    );
  }
  let decoded = 0;
  const load = (files: readonly ImageFile[]) =>
    decodeAll(files, folder, size, () => {
      onProgress?.(++decoded, total);
    });
  return {
    name: basename(folder),
    size,
    classes,
    train: await load(train),
    validation: await load(validation),
  };
}

function listFiles(folder: string, heldOutFraction: number) {
  const trainFolder = join(folder, 'train');
  if (!existsSync(trainFolder)) {
    const { classes, files } = listClasses(folder);
    const isValidation = ({ path }: ImageFile) => isHeldOut(basename(path), heldOutFraction);
    return { classes, train: files.filter((file) => !isValidation(file)), validation: files.filter(isValidation) };
  }
  const { classes, files } = listClasses(trainFolder);
  const validationFolder = ['val', 'validation'].map((name) => join(folder, name)).find((path) => existsSync(path));
  const validation = validationFolder === undefined ? [] : listClasses(validationFolder, classes).files;
  return { classes, train: files, validation };
}

function listClasses(folder: string, known?: readonly string[]): { classes: readonly string[]; files: ImageFile[] } {
  const found = list(folder).filter((name) => statSync(join(folder, name)).isDirectory());
  if (found.length === 0) {
    throw new DataError(`${folder}: expected one folder per class, got none. Put the images into folder/CLASS/….`);
  }
  const classes = known ?? found;
  const files = found.flatMap((name) => {
    const label = classes.indexOf(name);
    if (label < 0) {
      throw new DataError(`${join(folder, name)}: expected a class of train (${classes.join(', ')}), got '${name}'.`);
    }
    const images = list(join(folder, name)).filter((file) => imageName.test(file));
    if (images.length === 0) {
      throw new DataError(
        `${join(folder, name)}: expected PNG, JPEG or WebP images of class '${name}', got none. ` +
          'Add some, or remove the folder.',
      );
    }
    return images.map((file) => ({ path: join(folder, name, file), label }));
  });
  return { classes, files };
}

/** The names in a folder, sorted, without hidden ones. */
function list(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => !name.startsWith('.'))
      .sort();
  } catch (error) {
    throw new DataError(`${folder}: expected a folder of images, got ${reason(error)}.`, { cause: error });
  }
}

async function decodeAll(
  files: readonly ImageFile[],
  folder: string,
  size: number,
  onDecoded: () => void,
): Promise<ImageSet> {
  const images: LabeledImage[] = new Array(files.length);
  let next = 0;
  const work = async () => {
    while (next < files.length) {
      const i = next++;
      const { path, label } = files[i];
      const square = centerCrop(resizeShorterEdge(await decodeImage(path), size), size);
      images[i] = { planes: toPlanes(square), label, name: path.slice(folder.length + 1) };
      onDecoded();
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return imageSet(images, size);
}
