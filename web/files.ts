/** The user's own image files as pictures to train on. */

import { DataError } from '../core/index.ts';
import { centerCrop, type RgbImage, resizeShorterEdge } from '../data/browser.ts';
import { imageSize } from './learners.ts';

/** Decodes, scales the shorter side down (or up) and cuts the middle. @throws DataError naming a file that is no picture */
export async function readPictures(files: Iterable<File>): Promise<RgbImage[]> {
  const pictures: RgbImage[] = [];
  for (const file of files) pictures.push(centerCrop(resizeShorterEdge(await decode(file), imageSize), imageSize));
  return pictures;
}

/** 8-bit RGB; transparent pixels lie on white. */
async function decode(file: File): Promise<RgbImage> {
  const bitmap = await createImageBitmap(file).catch(() => {
    throw new DataError(
      `${file.name}: expected a picture that this browser can read, got ${file.type || 'another file'}.`,
    );
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.fillStyle = 'white';
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data: rgba } = context.getImageData(0, 0, width, height);
  const data = new Uint8Array(3 * width * height);
  for (let p = 0; p < width * height; p++) data.set(rgba.subarray(4 * p, 4 * p + 3), 3 * p);
  return { width, height, data };
}
