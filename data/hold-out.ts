/** Which images of a set are held out for measuring: a given share, by name, spread over the classes. */
import { hashName } from './dataset.ts';

/** What the choice depends on. */
export interface Candidate {
  /** Path below the folder of class folders: 'cat/1.png'. */
  readonly key: string;
  /** Index into the classes. */
  readonly label: number;
}

/**
 * The held-out images: round(fraction · n) of them, but at least 2, and at least 1 remains to train on. Only a fraction
 * of 0 or 1 takes none or all.
 *
 * Each class gives its share, rounded down. What is missing comes from the classes with the largest remainders, and first
 * from those that keep an image to train on. Within a class, names go in the order of their hashes. So the same set is
 * always split in the same way, and a few more images move few others.
 */
export function chooseHeldOut<T extends Candidate>(
  images: readonly T[],
  classes: readonly string[],
  fraction: number,
): Set<T> {
  const members = classes.map((): T[] => []);
  for (const image of inHashOrder(images, ({ key }) => key)) members[image.label].push(image);
  const shares = inHashOrder([...classes.keys()], (label) => classes[label]).map((label) => {
    const exact = fraction * members[label].length;
    const count = Math.floor(exact);
    return { images: members[label], count, remainder: exact - count };
  });
  let missing = heldOutCount(images.length, fraction) - shares.reduce((sum, { count }) => sum + count, 0);
  while (missing > 0) {
    const willing = shares.filter(({ images, count }) => count < images.length);
    const last = ({ images, count }: (typeof shares)[number]) => Number(count + 1 === images.length);
    willing.sort((a, b) => last(a) - last(b) || b.remainder - a.remainder); // stable: else by hash
    for (const share of willing.slice(0, missing)) {
      share.count++;
      missing--;
    }
  }
  return new Set(shares.flatMap(({ images, count }) => images.slice(0, count)));
}

/** How many of `count` images a fraction holds out. */
function heldOutCount(count: number, fraction: number): number {
  if (fraction <= 0 || count === 0) return 0;
  if (fraction >= 1) return count;
  return Math.min(Math.max(2, Math.round(fraction * count)), count - 1);
}

/** Sorted by the hash of a name. */
function inHashOrder<T>(items: readonly T[], nameOf: (item: T) => string): T[] {
  return items
    .map((item) => ({ item, name: nameOf(item), hash: mixed(hashName(nameOf(item))) }))
    .sort((a, b) => a.hash - b.hash || (a.name < b.name ? -1 : 1))
    .map(({ item }) => item);
}

/** The last step of MurmurHash3. Without it, names that differ in the last character have neighboring hashes. */
function mixed(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
