/** Image files in a browser: decoding to 8-bit RGB. */
import { DataError } from '../core/index.ts';
import { reason } from './errors.ts';
import { fileKind, gotInstead, headBytes } from './file-kind.ts';
import { isWithinLimits, sizeLimits } from './limits.ts';
import type { RgbImage } from './pixels.ts';

/**
 * Decodes the image formats of the browser to 8-bit RGB. Transparent pixels are blended with white, and the EXIF
 * orientation is applied. Opaque lossless files without a color profile keep their exact values.
 * @param source  a file's bytes, or a File or Blob
 * @throws DataError when the file cannot be decoded, or has more than 65,535 pixels a side or 134 megapixels
 */
export async function decodeImage(source: Uint8Array | Blob): Promise<RgbImage> {
  const blob = source instanceof Blob ? source : new Blob([source as Uint8Array<ArrayBuffer>]);
  const fail = (got: string, cause?: unknown) => {
    const name = source instanceof File ? source.name : `${blob.size} bytes in memory`;
    return new DataError(`image ${name}: expected a picture that this browser can read, ${got}`, { cause });
  };
  const bitmap = await createImageBitmap(blob).catch(async (error) => {
    const kind = fileKind(new Uint8Array(await blob.slice(0, headBytes).arrayBuffer()));
    throw fail(kind ? gotInstead(kind) : `got ${reason(error)}.`, error);
  });
  const { width, height } = bitmap;
  if (!isWithinLimits(width, height)) {
    bitmap.close();
    throw fail(`got ${width}×${height} pixels, beyond the limit of ${sizeLimits}. Scale it down.`);
  }
  const context = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true })!;
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(3 * width * height);
  for (let p = 0; p < width * height; p++) {
    for (let c = 0; c < 3; c++) data[3 * p + c] = rgba[4 * p + c];
  }
  return { width, height, data };
}
