/** Whose the emoji are: what a model that was trained on them has to say. */
import { readFileSync } from 'node:fs';
import type { EmojiIndex } from './emoji.ts';

/** Author and license of a set of images. */
export interface License {
  readonly title: string;
  readonly author: string;
  readonly license: string; // SPDX
  readonly licenseUrl: string;
  readonly source: string;
}

/** Authors and licenses of the emoji that come with the package, a set each. */
export function emojiLicenses(): License[] {
  const index = readFileSync(new URL('./assets/emoji/index.json', import.meta.url), 'utf8');
  return (JSON.parse(index) as EmojiIndex).sets.map(({ title, author, license, licenseUrl, source }) => {
    return { title, author, license, licenseUrl, source };
  });
}
