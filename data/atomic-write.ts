/** Atomic writes: after a crash, a kill or a full disk, the file is either the new version or the previous one. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

let counter = 0;

/**
 * Writes the pieces one after the other to a temporary file beside `path`, flushes it to disk, and renames it to `path`.
 * Creates the folder if needed. On failure it removes the temporary file and throws the system's error.
 */
export function writeFileAtomic(path: string, pieces: Iterable<Uint8Array>): void {
  const folder = dirname(path);
  fs.mkdirSync(folder, { recursive: true });
  removeLeftovers(path);
  const temporary = `${path}.${process.pid}-${counter++}.tmp`;
  let file: number | undefined;
  try {
    file = fs.openSync(temporary, 'wx');
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) done += fs.writeSync(file, piece, done, piece.length - done);
    }
    fs.fsyncSync(file);
    fs.closeSync(file);
    file = undefined;
    fs.renameSync(temporary, path);
  } catch (error) {
    if (file !== undefined) fs.closeSync(file);
    fs.rmSync(temporary, { force: true });
    throw error;
  }
  flushFolder(folder);
}

/** Makes the rename durable. */
function flushFolder(folder: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Removes the temporary files of killed processes: those older than an hour, which is longer than any save takes. */
function removeLeftovers(path: string): void {
  const hourAgo = Date.now() - 3600_000;
  for (const name of fs.readdirSync(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !/\.\d+-\d+\.tmp$/.test(name)) continue;
    const leftover = join(dirname(path), name);
    const { mtimeMs } = fs.statSync(leftover, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (mtimeMs < hourAgo) fs.rmSync(leftover, { force: true });
  }
}
