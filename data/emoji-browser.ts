/** The emoji over HTTP, in a browser. */
import { DataError } from '../core/index.ts';
import type { ImageDataset } from './dataset.ts';
import { assembleEmoji, type EmojiClasses } from './emoji.ts';
import { reason } from './errors.ts';
import { decodeImage } from './images-browser.ts';

const here = import.meta.url; // apart, or bundlers would take the folder below for a file to bundle

/**
 * Loads the emoji that come with the package, with the same bytes as in Node. Fetches 3 MB for 32 pixels, 6.5 MB for any
 * other size.
 *
 *   const emoji = await loadEmoji(32, '/assets/emoji/')   // a copy of node_modules/titok-ts/dist/data/assets/emoji
 *
 * Browsers that add noise to canvases against fingerprinting change these images, too.
 * @param size    pixels, 8 to 512
 * @param folder  URL of the sheets and their index.json; default: their place in the package relative to this module,
 *                which a bundler would change
 * @param classes  the 8 groups, or the 95 subgroups
 * @throws DataError for another size, or when the sheets cannot be fetched
 */
export function loadEmoji(
  size: number,
  folder: string | URL = new URL('../data/assets/emoji/', here),
  classes: EmojiClasses = 'groups',
): Promise<ImageDataset> {
  const base = `${folder}`.replace(/\/?$/, '/');
  return assembleEmoji(size, { read: (file) => fetchBytes(base + file), decode: decodeImage }, classes);
}

async function fetchBytes(url: string): Promise<Uint8Array> {
  const response = await fetch(url).catch((error) => {
    throw new DataError(`emoji: expected ${url}, got ${reason(error)}.`, { cause: error });
  });
  if (!response.ok) {
    throw new DataError(
      `emoji: expected ${url}, got HTTP ${response.status}. Serve a copy of the package's folder dist/data/assets/emoji ` +
        'and name its URL: loadEmoji(size, url).',
    );
  }
  return new Uint8Array(await response.arrayBuffer());
}
