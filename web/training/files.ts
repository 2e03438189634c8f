/** The user's own image files as pictures to train on. */

import { decodeImage, type RgbImage, resizeToSquare } from '../../data/browser.ts';
import { imageSize } from './learners.ts';

/** Decodes, scales the shorter side down (or up) and cuts the middle. @throws DataError naming a file that is no picture */
export async function readPictures(files: Iterable<File>): Promise<RgbImage[]> {
  const pictures: RgbImage[] = [];
  for (const file of files) pictures.push(resizeToSquare(await decodeImage(file), imageSize));
  return pictures;
}
