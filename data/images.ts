/** Image files in Node: decoding to 8-bit RGB. */
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';
import type { RgbImage } from './resize.ts';
import { loadSharp } from './sharp.ts';

/**
 * Decodes PNG, JPEG, WebP and the other formats of sharp to 8-bit RGB. Gray is repeated, CMYK and 16-bit values are
 * converted, transparent pixels are blended with white, and the EXIF orientation is applied.
 * @param source  a path, or a file's bytes
 * @throws DataError when the file is missing or cannot be decoded, or when sharp is not installed
 */
export async function decodeImage(source: string | Uint8Array): Promise<RgbImage> {
  const sharp = await loadSharp();
  try {
    const { data, info } = await sharp(source, { failOn: 'error' })
      .rotate() // upright, by EXIF
      .flatten({ background: 'white' })
      .raw({ depth: 'uchar' }) // in sRGB, sharp's default
      .toBuffer({ resolveWithObject: true });
    if (info.channels !== 3) throw new Error(`${info.channels} channels after conversion to RGB`);
    return { width: info.width, height: info.height, data };
  } catch (error) {
    const name = typeof source === 'string' ? source : `${source.length} bytes in memory`;
    throw new DataError(
      `image ${name}: expected a readable PNG, JPEG or WebP image, got ${reason(error)}. Remove it or save it again.`,
      { cause: error },
    );
  }
}
