/** What the package's emoji are, without their pictures: whose, and which are mirrored in training. */
import { readFileSync } from 'node:fs';
import { type EmojiClasses, type EmojiIndex, withoutLetters } from './emoji.ts';

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
  return readIndex().sets.map(({ title, author, license, licenseUrl, source }) => {
    return { title, author, license, licenseUrl, source };
  });
}

/** The classes of the emoji that are mirrored in training, unless it is told otherwise. */
export const mirroredEmoji = (classes: EmojiClasses = 'groups'): string[] => withoutLetters(readIndex(), classes);

const readIndex = (): EmojiIndex =>
  JSON.parse(readFileSync(new URL('./assets/emoji/index.json', import.meta.url), 'utf8')) as EmojiIndex;
