/** The emoji from the package's own folder, in Node. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DataError } from '../core/index.ts';
import type { ImageDataset } from './dataset.ts';
import { assembleEmoji, type EmojiClasses } from './emoji.ts';
import { reason } from './errors.ts';
import { decodeImage } from './images.ts';

/**
 * Loads the emoji that come with the package, `size` × `size` pixels on white: 6,499 to train on and 739 held out, in 8
 * or 95 classes. 32 and 64 pixels are drawn at that size. Other sizes are resized from 64 pixels with `resizeBicubic`: sizes
 * beyond 64 are enlarged and show no more detail.
 * @param size    pixels, 8 to 512
 * @param folder  of the sheets and their index.json; the package's `data/assets/emoji` by default
 * @param classes  the 8 groups, or the 95 subgroups
 * @throws DataError for another size, or when the sheets cannot be read
 */
export function loadEmoji(
  size: number,
  folder: string | URL = new URL('./assets/emoji/', import.meta.url),
  classes: EmojiClasses = 'groups',
): Promise<ImageDataset> {
  const path = typeof folder === 'string' ? folder : fileURLToPath(folder);
  const read = (file: string) =>
    readFile(join(path, file)).catch((error) => {
      throw new DataError(`emoji: expected ${join(path, file)}, got ${reason(error)}.`, { cause: error });
    });
  return assembleEmoji(size, { read, decode: decodeImage }, classes);
}
