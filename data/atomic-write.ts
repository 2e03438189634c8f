/** Atomic writes: after a crash, a kill or a full disk, the file is either the new version or the previous one. */
import fs from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { isRunning } from './processes.ts';

let counter = 0;

/**
 * Writes the pieces one after the other to a temporary file beside `path`, flushes it to disk, and renames it to `path`; of a link,
 * to the file that it leads to. Creates the folder if needed. On failure it removes the temporary file and throws the system's
 * error.
 */
export function writeFileAtomic(file: string, pieces: Iterable<Uint8Array>): void {
  const path = fs.existsSync(file) ? fs.realpathSync(file) : file;
  const folder = dirname(path);
  fs.mkdirSync(folder, { recursive: true });
  for (const name of temporaryFiles(folder)) {
    if (temporaryName.exec(name)![1] === basename(path)) removeLeftover(folder, name);
  }
  const temporary = `${path}.${process.pid}-${counter++}.tmp`;
  let open: number | undefined;
  try {
    open = fs.openSync(temporary, 'wx');
    for (const piece of pieces) {
      for (let done = 0; done < piece.length; ) done += fs.writeSync(open, piece, done, piece.length - done);
    }
    fs.fsyncSync(open);
    fs.closeSync(open);
    open = undefined;
    fs.renameSync(temporary, path);
  } catch (error) {
    if (open !== undefined) fs.closeSync(open);
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

/**
 * Removes what killed processes left in a folder while they wrote a file. What a living process writes stays for
 * an hour, which is longer than any save takes: after that, the number belongs to another process.
 */
export function removeLeftovers(folder: string): void {
  for (const name of fs.readdirSync(folder)) removeLeftover(folder, name);
}

function removeLeftover(folder: string, name: string): void {
  const id = temporaryName.exec(name)?.[2];
  if (id === undefined) return;
  const leftover = join(folder, name);
  const { mtimeMs } = fs.statSync(leftover, { throwIfNoEntry: false }) ?? { mtimeMs: Infinity };
  const pid = Number(id); // a write of this process ends before the next begins
  const old = mtimeMs < Date.now() - 3600_000;
  if (pid === process.pid || !isRunning(pid) || old) fs.rmSync(leftover, { force: true });
}

/** The name of a file, the process that writes it, and the number of the write. */
const temporaryName = /^(.+)\.(\d+)-\d+\.tmp$/;

const atFirstWrite = new Map<string, readonly string[]>();

/**
 * The temporary files that were in a folder when this process first wrote there. A folder is listed once: 50,000 pictures
 * would otherwise be 50,000 lists of up to 50,000 names.
 */
function temporaryFiles(folder: string): readonly string[] {
  const key = resolve(folder);
  const found = atFirstWrite.get(key) ?? fs.readdirSync(folder).filter((name) => temporaryName.test(name));
  atFirstWrite.set(key, found);
  return found;
}
