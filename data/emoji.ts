/**
 * The default dataset: some 7,250 emoji of five drawing styles in 8 classes, drawn from npm packages of SVG icons, so
 * that training needs no download and no license beyond NOTICE. Drawn once, then kept under `.cache/`.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../core/index.ts';
import { type ImageDataset, imageSet, isHeldOut, type LabeledImage } from './dataset.ts';
import { drawIcon } from './emoji-draw.ts';
import { type EmojiIcon, emojiClasses, emojiIcons, emojiPackageVersions } from './emoji-icons.ts';
import { reason } from './errors.ts';
import { readSafetensors, writeSafetensors } from './safetensors-file.ts';

export interface EmojiOptions {
  /** Where drawn images are kept; the project's `.cache` by default. */
  readonly cacheFolder?: string;
  /** Called while icons are drawn (not when they come from the cache). */
  readonly onProgress?: (drawn: number, total: number) => void;
}

const heldOutFraction = 0.1; // of the concepts
const formatVersion = 1; // raise when drawing or filtering changes
const inFlight = 8; // icons drawn at once, on threads that the renderer manages

/**
 * The emoji at `size` × `size` pixels on white. A concept ('red-heart') is in the validation set in all five styles or in
 * none, so that no picture is judged whose twin was trained on.
 * @throws DataError when `size` is not a whole number from 8 to 512
 */
export async function loadEmoji(size: number, options: EmojiOptions = {}): Promise<ImageDataset> {
  if (!Number.isInteger(size) || size < 8 || size > 512) {
    throw new DataError(`emoji: expected a size of 8 to 512 pixels, got ${size}.`);
  }
  const { cacheFolder = fileURLToPath(new URL('../.cache/', import.meta.url)), onProgress } = options;
  const path = join(cacheFolder, `emoji-${size}-${cacheKey(size)}.safetensors`);
  let images = readCache(path, size);
  if (!images) {
    images = await drawAll(emojiIcons(), size, onProgress);
    writeCache(path, images, size);
  }
  const isValidation = ({ name }: LabeledImage) => isHeldOut(conceptOf(name), heldOutFraction);
  return {
    name: 'emoji',
    size,
    classes: emojiClasses,
    train: imageSet(
      images.filter((image) => !isValidation(image)),
      size,
    ),
    validation: imageSet(images.filter(isValidation), size),
  };
}

/** 'noto/red-heart' → 'red-heart' */
export function conceptOf(name: string): string {
  return name.slice(name.indexOf('/') + 1);
}

async function drawAll(
  icons: readonly EmojiIcon[],
  size: number,
  onProgress?: (drawn: number, total: number) => void,
): Promise<LabeledImage[]> {
  const drawn: (LabeledImage | undefined)[] = new Array(icons.length);
  let next = 0;
  let done = 0;
  const work = async () => {
    while (next < icons.length) {
      const i = next++;
      const { name, label } = icons[i];
      const planes = await drawIcon(icons[i], size);
      if (planes) drawn[i] = { planes, label, name };
      if (++done % 64 === 0 || done === icons.length) onProgress?.(done, icons.length);
    }
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return drawn.filter((image) => image !== undefined);
}

/** Other packages, another size or another way of drawing get another file. */
function cacheKey(size: number): string {
  const key = JSON.stringify({ formatVersion, size, packages: emojiPackageVersions() });
  return createHash('sha256').update(key).digest('hex').slice(0, 12);
}

function checksum(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** The cached images, or undefined when there are none or the file is damaged: then they are drawn again. */
function readCache(path: string, size: number): LabeledImage[] | undefined {
  if (!existsSync(path)) return undefined;
  try {
    const { tensors, metadata } = readSafetensors(path);
    const pixels = tensors['images'].data as Uint8Array;
    const labels = tensors['labels'].data as Int32Array;
    const names: string[] = JSON.parse(metadata['names']);
    if (metadata['sha256'] !== checksum(pixels)) return undefined;
    const each = 3 * size * size;
    return names.map((name, i) => ({ name, label: labels[i], planes: pixels.subarray(i * each, (i + 1) * each) }));
  } catch {
    return undefined;
  }
}

function writeCache(path: string, items: readonly LabeledImage[], size: number): void {
  const { count, images, labels, names } = imageSet(items, size);
  try {
    writeSafetensors(
      path,
      { images: { shape: [count, 3, size, size], data: images }, labels: { shape: [count], data: labels } },
      { names: JSON.stringify(names), sha256: checksum(images) },
    );
  } catch (error) {
    process.emitWarning(`The drawn emoji could not be kept and will be drawn again next time: ${reason(error)}`);
  }
}
