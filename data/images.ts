/** Image files in Node: decoding to 8-bit RGB. */
import { decodeSquareOf, decodeWhole, imageError, openImage } from './decoding.ts';
import { Undecodable } from './errors.ts';
import type { RgbImage } from './pixels.ts';

/**
 * Decodes PNG, JPEG, WebP, GIF, TIFF, AVIF or SVG to 8-bit RGB, whatever the file's name says. Gray is repeated, CMYK and
 * 16-bit values are converted, transparent pixels are blended with white, and the EXIF orientation is applied. Of several
 * pictures in a file (an animation, pages), the first is taken.
 * @param source  a path, or a file's bytes
 * @throws DataError when the file is missing, cannot be decoded or has more than 65,535 pixels a side or 134 megapixels,
 *   or when sharp is not installed
 */
export function decodeImage(source: string | Uint8Array): Promise<RgbImage> {
  return named(source, async () => decodeWhole(await openImage(source)));
}

/**
 * The middle square of a picture, its shorter edge resized to `size`: `resizeToSquare` of `decodeImage`, bit for bit,
 * without keeping what the square does not need.
 * @throws DataError as `decodeImage`
 */
export function decodeSquare(source: string | Uint8Array, size: number): Promise<RgbImage> {
  return named(source, async () => decodeSquareOf(await openImage(source), size));
}

/** Errors with the name of what was decoded. */
async function named<T>(source: string | Uint8Array, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    throw error instanceof Undecodable ? imageError(source, error) : error;
  }
}
