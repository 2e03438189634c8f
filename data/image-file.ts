/** Writing image files, in the format that the file's name ends in. */
import { extname } from 'node:path';
import { DataError, OptionError } from '../core/index.ts';
import { writeFileAtomic } from './atomic-write.ts';
import { reason } from './errors.ts';
import { expectImage, type RgbImage } from './pixels.ts';
import { loadSharp } from './sharp.ts';

type Format = 'png' | 'jpeg' | 'webp';
const formats: Readonly<Record<string, Format>> = { '.png': 'png', '.jpg': 'jpeg', '.jpeg': 'jpeg', '.webp': 'webp' };
const quality = 95; // of JPEG and WebP, in percent: grids are looked at closely

/**
 * The format that a file's name asks for: .png, .jpg, .jpeg or .webp, in any case.
 *
 * @param where  names the option in errors
 * @throws OptionError for any other ending
 */
export function imageFormat(path: string, where = 'writeImage'): Format {
  const format = formats[extname(path).toLowerCase()];
  if (format) return format;
  throw new OptionError(`${where}: expected a file name that ends in .png, .jpg, .jpeg or .webp, got '${path}'.`);
}

/**
 * Writes an image as PNG, JPEG or WebP, as its name ends, atomically. Creates the folder if needed.
 *
 * @throws OptionError for another ending; DataError for an image whose data has another size or that the format cannot hold,
 *   when the file cannot be written, or when sharp is not installed
 */
export const writeImage = (path: string, image: RgbImage): Promise<void> => write(path, image, imageFormat(path));

/**
 * Writes an image as PNG, whatever its name, atomically.
 *
 * @throws DataError for an image whose data has another size, when the file cannot be written, or when sharp is not installed
 */
export const writePng = (path: string, image: RgbImage): Promise<void> => write(path, image, 'png');

async function write(path: string, image: RgbImage, format: Format): Promise<void> {
  expectImage(path, image);
  const { width, height, data } = image;
  const sharp = await loadSharp();
  const encoded = sharp(data, { raw: { width, height, channels: 3 } })
    .toFormat(format, format === 'png' ? {} : { quality })
    .toBuffer();
  const bytes = await encoded.catch((error) => {
    throw new DataError(
      `${path}: expected an image that ${format} can hold, got ${width}×${height} pixels (${reason(error)}). Write a PNG or a smaller image.`,
      { cause: error },
    );
  });
  writeEncoded(path, bytes);
}

/** Writes a picture that is encoded already, atomically. @throws DataError when the file cannot be written */
export function writeEncoded(path: string, bytes: Uint8Array): void {
  try {
    writeFileAtomic(path, [bytes]);
  } catch (error) {
    throw new DataError(`${path}: expected to write a picture, got ${reason(error)}.`, { cause: error });
  }
}
