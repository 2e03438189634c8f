/** How a picture becomes pixels: its kind and size from the header, then libvips. Not public: sharp's types stay inside. */
import { readFile } from 'node:fs/promises';
import type { Sharp } from 'sharp';
import { DataError } from '../core/index.ts';
import { reason, Undecodable } from './errors.ts';
import { kindAt } from './file-head.ts';
import { type FileKind, fileKind } from './file-kind.ts';
import { isWithinLimits, maxPixels, sizeLimits } from './limits.ts';
import type { RgbImage } from './pixels.ts';
import { planSquare } from './resize.ts';
import { loadSharp } from './sharp.ts';

/** A picture whose header has been read. */
export interface OpenedImage {
  readonly width: number; // pixels, upright
  readonly height: number;
  readonly kind: FileKind | undefined;
  readonly upright: Sharp;
}

/** Reads a file, and a picture's size from its header. @throws Undecodable */
export async function openImage(source: string | Uint8Array): Promise<OpenedImage> {
  const sharp = await loadSharp();
  const kind = typeof source === 'string' ? await reading(async () => kindAt(source)) : fileKind(source);
  if (kind && kind.picture !== 'decoded') throw new Undecodable(kind.name, kind.advice, kind);
  const bytes = typeof source === 'string' ? await reading(() => readFile(source)) : source;
  const { autoOrient, depth } = await decoding(kind, () => sharp(bytes, { limitInputPixels: false }).metadata());
  if (depth !== 'uchar' && depth !== 'ushort') {
    const found = `${kind?.name ?? 'a picture'} with numbers of type ${depth}`; // where white is among those differs between programs
    throw new Undecodable(found, 'Save it with 8 or 16 bits a channel.', kind);
  }
  const { width, height } = autoOrient;
  if (!isWithinLimits(width, height)) {
    throw new Undecodable(`${width}×${height} pixels, beyond the limit of ${sizeLimits}`, 'Scale it down.');
  }
  const upright = sharp(bytes, { failOn: 'error', limitInputPixels: maxPixels }).autoOrient();
  return { width, height, kind, upright };
}

/** All pixels. @throws Undecodable */
export function decodeWhole({ upright, kind }: OpenedImage): Promise<RgbImage> {
  return decoding(kind, () => pixelsOf(upright));
}

/**
 * A square, by default the middle one. libvips decodes and cuts, but does not resize: it changes a quarter of the golden values by 1 or 2
 * levels (a test measures it). Of photos of 1500 × 1000 at 32 pixels it changes values by up to 22 levels, and of those at
 * 128 and 256 pixels, reduced by the JPEG decoder first, by up to 6.
 *
 * @param place  as of `planSquare`
 * @throws Undecodable
 */
export async function decodeSquareOf(image: OpenedImage, size: number, place?: number): Promise<RgbImage> {
  if (image.width === size && image.height === size) return decodeWhole(image); // half the time for small pictures
  const { source, resize } = planSquare(image, size, place);
  return resize(await decoding(image.kind, () => pixelsOf(image.upright.extract(source))));
}

async function pixelsOf(image: Sharp): Promise<RgbImage> {
  const { data, info } = await image
    .flatten({ background: 'white' })
    .raw({ depth: 'uchar' }) // in sRGB, sharp's default
    .toBuffer({ resolveWithObject: true });
  if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
  return { width: info.width, height: info.height, data: new Uint8Array(data.buffer, data.byteOffset, data.length) };
}

/** @throws Undecodable with the system's reason */
async function reading<T>(action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw new Undecodable(reason(error), '', undefined, { cause: error });
  }
}

/** Runs sharp on a picture of a kind. @throws Undecodable */
async function decoding<T>(kind: FileKind | undefined, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const found = kind ? `${kind.name}, damaged: ${reason(error)}` : 'a file of unknown type';
    throw new Undecodable(found, 'Remove it or save it again.', kind, { cause: error });
  }
}

export function imageError(source: string | Uint8Array, error: Undecodable): DataError {
  const name = typeof source === 'string' ? source : `${source.length} bytes in memory`;
  const formats = 'PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG';
  return new DataError(`image ${name}: expected a picture (${formats}), ${error.message}`, { cause: error });
}
