/** Golden files in a folder. */
import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { mobilenetTrunkPath } from '../../data/index.ts';
import type { GoldenSource } from './file.ts';

/** The golden files of a folder, by name. */
export async function goldenFiles(folder: string): Promise<GoldenSource[]> {
  const names = await readdir(folder);
  return names
    .filter((name) => name.endsWith('.safetensors'))
    .sort()
    .map((name) => goldenSource(join(folder, name)));
}

/** One file. What its metadata names is looked for beside it, in ../data, and among the library's own assets. */
export function goldenSource(path: string): GoldenSource {
  const folder = dirname(path);
  const folders = [dirname(mobilenetTrunkPath), folder, join(folder, '..', 'data')];
  return {
    name: basename(path, '.safetensors'),
    bytes: () => readFile(path),
    async beside(name) {
      const found = folders.map((f) => join(f, basename(name))).find(existsSync);
      return found === undefined ? undefined : readFile(found);
    },
  };
}
