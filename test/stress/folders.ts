/** Folders of pictures as nobody would expect them: a dataset, or an error that names what is wrong. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { loadImageFolder } from '../../data/index.ts';
import {
  damagedPicture,
  type Format,
  formatNames,
  type PictureDamage,
  pictureDamage,
  pictureIn,
  readOrRefused,
} from './files.ts';
import { defineKind, expect } from './kind.ts';

/** What lies at a path. */
type Entry =
  | { readonly is: 'picture'; readonly format: Format }
  | { readonly is: 'damaged'; readonly damage: PictureDamage }
  | { readonly is: 'text' | 'empty' | 'folder' | 'dangling link' | 'link to itself' };

const entry: fc.Arbitrary<Entry> = fc.oneof(
  {
    weight: 60,
    arbitrary: fc.record({ is: fc.constant('picture' as const), format: fc.constantFrom(...formatNames) }),
  },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('damaged' as const), damage: pictureDamage }) },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constantFrom(...(['text', 'empty', 'folder', 'dangling link', 'link to itself'] as const)),
    }),
  },
);

const names = fc.constantFrom(
  ...['cats', 'dogs', 'train', 'val', 'test', 'valid', 'validation', 'images', '__MACOSX', '.hidden', 'кошка', 'a b'],
  ...['__proto__', 'constructor', '<b>&"x', 'Cats', 'n01', '0'],
);
const endings = fc.constantFrom(
  ...['.png', '.jpg', '.jpeg', '.JPG', '.webp', '.gif', '.avif', '.tiff', '.tif', '.jfif', '.txt', '.db', '', '.bmp'],
);
const file = fc.record({
  folders: fc.array(names, { maxLength: 3, size: 'max' }),
  name: fc.tuple(fc.oneof(fc.nat(20).map(String), names), endings).map((parts) => parts.join('')),
  entry,
});

export const folders = defineKind({
  name: 'folder',
  about: 'random folders of pictures',
  share: 4,
  trials: 5,
  trial: fc.array(file, { maxLength: 40, size: 'max' }),
  async run(files) {
    rmSync('folder', { recursive: true, force: true });
    mkdirSync('folder');
    for (const { folders, name, entry } of files) {
      try {
        await put(join('folder', ...folders, name), entry);
      } catch {
        // a file is where this one's folder would be, or the other way round
      }
    }
    return readOrRefused(['DataError'], async () => {
      const { train, validation, classes } = await loadImageFolder('folder', 16);
      for (const { images, labels, names, count } of [train, validation]) {
        expect(images.length === count * 768 && labels.length === count, `expected ${count} pictures, got others`);
        expect(
          labels.every((label) => label >= 0 && label < classes.length),
          `expected labels of ${classes}`,
        );
        expect(new Set(names).size === count, `expected ${count} names, got ${names}`);
      }
      const held = new Set(validation.names);
      expect(!train.names.some((name) => held.has(name)), 'expected held-out pictures that are not trained on');
    });
  },
});

async function put(path: string, entry: Entry): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  if (entry.is === 'picture') writeFileSync(path, await pictureIn(entry.format));
  else if (entry.is === 'damaged') writeFileSync(path, await damagedPicture(entry.damage));
  else if (entry.is === 'folder') mkdirSync(path);
  else if (entry.is === 'dangling link') symlinkSync('/nowhere/at-all', path);
  else if (entry.is === 'link to itself') symlinkSync('.', path);
  else writeFileSync(path, entry.is === 'text' ? 'not a picture' : '');
}
