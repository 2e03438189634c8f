/** The icons of the five emoji packages that make the dataset, and their classes. */
import { createRequire } from 'node:module';

/** An icon before drawing: `body` is the inside of an SVG with this view box. */
export interface EmojiIcon {
  readonly name: string; // 'noto/red-heart'
  readonly label: number;
  readonly subgroup: number;
  readonly body: string;
  readonly viewBox: readonly [left: number, top: number, width: number, height: number];
}

/** The Unicode groups, in Unicode's order; Flags are left out, because only two vendors draw them. */
export const emojiClasses = [
  'Smileys & Emotion',
  'People & Body',
  'Animals & Nature',
  'Food & Drink',
  'Travel & Places',
  'Activities',
  'Objects',
  'Symbols',
] as const;

const require = createRequire(import.meta.url);
const subgroupNames: Record<string, string> = require('emojibase-data/meta/groups.json').subgroups;
/** The Unicode subgroups that have an icon, in Unicode's order; each lies in one group. */
export const emojiSubgroups: readonly string[] = Object.values(subgroupNames).filter(
  (name) => !/flag$|^skin-tone$|^hair-style$/.test(name),
);

const latecomers: Record<string, string> = {
  'cracking-face': 'face-unwell',
  eraser: 'writing',
  keycap: 'keycap',
  'leftwards-thumb-sign': 'hand-fingers-closed',
  'rightwards-thumb-sign': 'hand-fingers-closed',
  lighthouse: 'place-building',
  'shibuya-109-department-store': 'place-building',
  meteor: 'sky-weather',
  'monarch-butterfly': 'animal-bug',
  'net-with-handle': 'tool',
  pickle: 'food-vegetable',
  'man-in-suit-levitating': 'person-activity',
  'woman-in-suit-levitating': 'person-activity',
};

/** One drawing style each. */
export const vendors = ['noto', 'twemoji', 'fluent-emoji-flat', 'noto-v1', 'emojione'] as const;
/** Vendors whose packages say which group an icon belongs to; the others are labeled by these, through the name. */
const grouped = ['noto', 'twemoji', 'fluent-emoji-flat'] as const;

/** Skin tones would be half of all images, nearly all of them people. */
const skinTone = /(light|medium|dark)(-skin-tone)?$|skin-tone/;

/** @resvg/resvg-js 2.6.2 ends the whole process on these (a Rust panic, which nothing can catch). */
const crashing = new Set([
  'noto/package',
  'noto-v1/ambulance',
  'noto-v1/bullet-train',
  'noto-v1/cocktail-glass',
  'noto-v1/hot-beverage',
  'noto-v1/lady-beetle',
  'noto-v1/man-lifting-weights',
  'noto-v1/person-lifting-weights',
]);

interface IconBox {
  readonly left?: number;
  readonly top?: number;
  readonly width?: number;
  readonly height?: number;
}
interface IconSet extends IconBox {
  readonly icons: Record<string, IconBox & { readonly body: string; readonly hidden?: boolean }>;
}

/** Every icon that is used, vendor by vendor, in the packages' order. */
export function emojiIcons(): EmojiIcon[] {
  const labels = labelsByName();
  const subgroups = subgroupsByName();
  return vendors.flatMap((vendor) => {
    const set = readPackageFile<IconSet>(vendor, 'icons.json');
    return Object.entries(set.icons).flatMap(([icon, drawing]): EmojiIcon[] => {
      const name = `${vendor}/${icon}`;
      const label = labels.get(icon);
      if (label === undefined || drawing.hidden || skinTone.test(icon) || crashing.has(name)) return [];
      const { left = 0, top = 0, width = 16, height = 16 } = { ...boxOf(set), ...boxOf(drawing) };
      const subgroup = emojiSubgroups.indexOf(subgroups.get(icon) ?? subgroupOfLatecomer(icon));
      return [{ name, label, subgroup, body: drawing.body, viewBox: [left, top, width, height] }];
    });
  });
}

/** Icon name → class index, merged from all packages that have groups. */
function labelsByName(): Map<string, number> {
  const labels = new Map<string, number>();
  for (const vendor of grouped) {
    const { categories } = readPackageFile<{ categories: Record<string, string[]> }>(vendor, 'metadata.json');
    for (const [label, group] of emojiClasses.entries()) {
      for (const icon of categories[group] ?? []) if (!labels.has(icon)) labels.set(icon, label);
    }
  }
  return labels;
}

/** Icon name → Unicode subgroup, by the character that an icon stands for. */
function subgroupsByName(): Map<string, string> {
  const byCharacter = new Map<string, string>();
  for (const { hexcode, subgroup } of require('emojibase-data/en/data.json') as readonly Character[]) {
    if (subgroup !== undefined) byCharacter.set(plainHex(hexcode), subgroupNames[subgroup]);
  }
  const byName = new Map<string, string>();
  for (const vendor of vendors) {
    for (const [hexcode, icon] of Object.entries(readPackageFile<Record<string, string>>(vendor, 'chars.json'))) {
      const subgroup = byCharacter.get(plainHex(hexcode));
      if (subgroup !== undefined && !byName.has(icon)) byName.set(icon, subgroup);
    }
  }
  return byName;
}

interface Character {
  readonly hexcode: string;
  readonly subgroup?: number;
}

/** '0023-FE0F-20E3' → '23-20e3': vendors differ in the selector of a colored picture and in zeros. */
const plainHex = (hexcode: string): string =>
  hexcode
    .toLowerCase()
    .split('-')
    .filter((code) => code !== 'fe0f')
    .map((code) => code.replace(/^0+/, ''))
    .join('-');

/** Icons without a character of their own, or with one newer than the subgroups. */
function subgroupOfLatecomer(icon: string): string {
  const found = icon.startsWith('letter-') ? 'alphanum' : latecomers[icon];
  if (found === undefined) throw new Error(`${icon}: expected a subgroup, got none. Add it to latecomers.`);
  return found;
}

function boxOf({ left, top, width, height }: IconBox): IconBox {
  const given = Object.entries({ left, top, width, height }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

/** A JSON file of the package @iconify-json/<vendor>. */
export function readPackageFile<T>(vendor: string, file: string): T {
  return require(`@iconify-json/${vendor}/${file}`);
}
