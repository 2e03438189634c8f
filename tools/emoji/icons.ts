/** The icons of the five emoji packages that make the dataset, and their classes. */
import { createRequire } from 'node:module';

/** An icon before drawing: `body` is the inside of an SVG with this view box. */
export interface EmojiIcon {
  readonly name: string; // 'noto/red-heart'
  readonly label: number;
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
  return vendors.flatMap((vendor) => {
    const set = readPackageFile<IconSet>(vendor, 'icons.json');
    return Object.entries(set.icons).flatMap(([icon, drawing]): EmojiIcon[] => {
      const name = `${vendor}/${icon}`;
      const label = labels.get(icon);
      if (label === undefined || drawing.hidden || skinTone.test(icon) || crashing.has(name)) return [];
      const { left = 0, top = 0, width = 16, height = 16 } = { ...boxOf(set), ...boxOf(drawing) };
      return [{ name, label, body: drawing.body, viewBox: [left, top, width, height] }];
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

function boxOf({ left, top, width, height }: IconBox): IconBox {
  const given = Object.entries({ left, top, width, height }).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given);
}

const require = createRequire(import.meta.url);

/** A JSON file of the package @iconify-json/<vendor>. */
export function readPackageFile<T>(vendor: string, file: string): T {
  return require(`@iconify-json/${vendor}/${file}`);
}
