/**
 * `npm run emoji:sheets`: draws the emoji of the dataset into `data/assets/emoji/`, lossless WebP sheets of 32- and
 * 64-pixel tiles for each set and an index. Takes some minutes, nearly all of them for the last tenth of compression.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import type { EmojiIndex, EmojiSetEntry, RgbImage } from '../../data/index.ts';
import { drawIcon, isBlank } from './draw.ts';
import { emojiClasses, emojiIcons, emojiSubgroups, readPackageFile, vendors } from './icons.ts';

const tileSizes = [32, 64] as const;
/** Makes the largest sheet 1024 × 6720 pixels, which every browser's canvas can hold. */
const columns = 16;

interface PackageInfo {
  readonly name: string;
  readonly author: { readonly name: string; readonly url: string };
  readonly license: { readonly spdx: string; readonly url: string };
}

const folder = fileURLToPath(new URL('../../data/assets/emoji/', import.meta.url));
mkdirSync(folder, { recursive: true });
const all = emojiIcons();
const sets: EmojiSetEntry[] = [];
for (const vendor of vendors) {
  const mine = all.filter(({ name }) => name.startsWith(`${vendor}/`));
  const small = await Promise.all(mine.map((icon) => drawIcon(icon, tileSizes[0])));
  const icons = mine.filter((_, i) => !isBlank(small[i]));
  for (const side of tileSizes) {
    const sheet = sheetOf(await Promise.all(icons.map((icon) => drawIcon(icon, side))), side);
    const webp = await encode(sheet);
    writeFileSync(`${folder}${vendor}-${side}.webp`, webp);
    console.log(`${vendor}-${side}.webp: ${icons.length} icons, ${(webp.length / 1e6).toFixed(2)} MB`);
  }
  const { name: title, author, license } = readPackageFile<PackageInfo>(vendor, 'info.json');
  const { name, version } = readPackageFile<{ name: string; version: string }>(vendor, 'package.json');
  sets.push({
    name: vendor,
    title,
    author: author.name,
    license: license.spdx,
    licenseUrl: license.url,
    source: author.url,
    package: `${name}@${version}`,
    icons: icons.map(({ name }) => name.slice(vendor.length + 1)),
    labels: icons.map(({ label }) => label),
    subgroups: icons.map(({ subgroup }) => subgroup),
  });
}
const about =
  'Emoji of five sets, rasterized on white from the SVG icons of the packages named here; authors and licenses per set. ' +
  'Flags, skin-tone variants, hidden and nearly blank icons are left out.';
const index: EmojiIndex = { about, classes: emojiClasses, subgroups: emojiSubgroups, tileSizes, columns, sets };
writeFileSync(`${folder}index.json`, `${JSON.stringify(index)}\n`);

/** Tiles row by row; the last row is filled with white. */
function sheetOf(tiles: readonly RgbImage[], side: number): RgbImage {
  const [width, height] = [columns * side, Math.ceil(tiles.length / columns) * side];
  const data = new Uint8Array(width * height * 3).fill(255);
  tiles.forEach((tile, i) => {
    const [left, top] = [(i % columns) * side, Math.floor(i / columns) * side];
    for (let y = 0; y < side; y++) {
      data.set(tile.data.subarray(y * side * 3, (y + 1) * side * 3), ((top + y) * width + left) * 3);
    }
  });
  return { width, height, data };
}

/** Quality 100 searches longest; nothing is lost at any. */
function encode({ width, height, data }: RgbImage): Promise<Buffer> {
  return sharp(data, { raw: { width, height, channels: 3 } })
    .webp({ lossless: true, quality: 100, effort: 6 })
    .toBuffer();
}
