/** Which part of a dataset files belong to, by what they and their folders are called. */

/** Which part of a dataset a picture belongs to. */
export type Split = 'train' | 'validation' | 'test';

/** What files and folders of a split are called. */
const words: Readonly<Record<Split, string>> = {
  validation: 'val|valid|validation|dev',
  test: 'test|testing|t10k',
  train: 'train|training',
};
const splits = Object.entries(words).map(([split, names]) => ({
  split: split as Split,
  whole: new RegExp(`^(?:${names})$`, 'i'),
  within: new RegExp(`(?:^|[^a-z])(?:${names})(?![a-z])`, 'i'),
}));

/** The split that a folder is called after; undefined for other names. */
export const folderSplit = (name: string): Split | undefined => splits.find(({ whole }) => whole.test(name))?.split;

/** The split that a path tells: 't10k-images-idx3-ubyte' and 'test/0000.parquet' → 'test'; undefined when it tells none. */
export function toldSplit(path: string): Split | undefined {
  const folders = path.split(/[/\\]/);
  const file = folders.pop()!;
  const own = splits.find(({ within }) => within.test(file))?.split;
  return own ?? folders.reverse().map(folderSplit).find(Boolean); // the nearest folder
}

/** The same, or 'train'. */
export const splitOf = (path: string): Split => toldSplit(path) ?? 'train';
