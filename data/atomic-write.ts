/** Files that are either whole or not there: a crash, a kill or a full disk leaves the previous version. */
import fs from 'node:fs';
import { basename, dirname, join } from 'node:path';

let counter = 0;

/**
 * Writes the pieces to a temporary file beside `path`, flushes it to the disk, and renames it over `path`.
 * The folder is created if needed. On failure the temporary file is removed and the system's error is thrown.
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

/** A rename is durable once its folder is. */
function flushFolder(folder: string): void {
  if (process.platform === 'win32') return; // folders cannot be opened there
  const handle = fs.openSync(folder, 'r');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

/** Temporary files of killed processes; an hour is longer than any save takes. */
function removeLeftovers(path: string): void {
  const hourAgo = Date.now() - 3600_000;
  for (const name of fs.readdirSync(dirname(path))) {
    if (!name.startsWith(`${basename(path)}.`) || !/\.\d+-\d+\.tmp$/.test(name)) continue;
    const leftover = join(dirname(path), name);
    const { mtimeMs } = fs.statSync(leftover, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
    if (mtimeMs < hourAgo) fs.rmSync(leftover, { force: true });
  }
}
