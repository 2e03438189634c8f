/** Golden files on disk. */
import { existsSync, statSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { OptionError } from '../../core/index.ts';
import { mobilenetTrunkPath } from '../../data/index.ts';
import type { GoldenSource } from './file.ts';

const extension = '.safetensors';

/**
 * The golden files at a path: that file, or the files of that folder, by name.
 *
 * @throws OptionError when there is no golden file
 */
export async function goldenFiles(path: string): Promise<GoldenSource[]> {
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) throw new OptionError(`golden: expected a file or folder, got ${path}, which does not exist.`);
  const names = found.isDirectory() ? await readdir(path) : [basename(path)];
  const golden = names.filter((name) => name.endsWith(extension)).sort();
  if (golden.length === 0) throw new OptionError(`golden: expected ${extension} files, got none at ${path}.`);
  const folder = found.isDirectory() ? path : dirname(path);
  return golden.map((name) => goldenSource(join(folder, name)));
}

/** One file. Files that its metadata names are looked for beside it, in ../data, and among the library's own assets. */
export function goldenSource(path: string): GoldenSource {
  const folder = dirname(path);
  const folders = [dirname(mobilenetTrunkPath), folder, join(folder, '..', 'data')];
  return {
    name: basename(path, extension),
    bytes: () => readFile(path),
    async beside(name) {
      const found = folders.map((f) => join(f, basename(name))).find(existsSync);
      return found === undefined ? undefined : readFile(found);
    },
  };
}
