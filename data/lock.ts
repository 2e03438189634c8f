/** A lock on a folder: one process at a time writes there. */
import fs from 'node:fs';
import { hostname } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { reason } from './errors.ts';
import { isRunning, startOf } from './processes.ts';

/** Content of the file `lock`. */
interface Owner {
  readonly pid: number;
  readonly host: string;
  /** Tells the process from a later one with the same id, where the system says it. */
  readonly started?: string | undefined;
  /** The owner touches the file every few seconds: see `waitToLock`. */
  readonly beats?: boolean;
}

/** Somebody else holds the lock. */
export class LockedError extends CheckpointError {}

/** A lock file of this process. */
interface Held {
  /** The folder was made for it. */
  readonly isNew: boolean;
  readonly beat?: NodeJS.Timeout | undefined;
}

const held = new Map<string, Held>();
let releasesAtExit = false;

/**
 * Creates the folder if needed, and locks it with a file `lock`, until `release` or the end of this process. The lock of a
 * process that has died is taken over.
 *
 *   const release = lockFolder('runs/mine');
 *
 * @throws LockedError when another process, or another part of this one, holds the lock
 * @throws CheckpointError when the folder cannot be written
 */
export const lockFolder = (folder: string): (() => void) => lock(folder, false);

function lock(folder: string, beats: boolean): () => void {
  const path = join(resolve(folder), 'lock');
  if (held.has(path)) {
    throw new LockedError(`${folder}: expected one training at a time, got a second one of this program.`);
  }
  const own: Owner = { pid: process.pid, host: hostname(), started: startOf(process.pid), ...(beats && { beats }) };
  let isNew = false;
  try {
    isNew = fs.mkdirSync(folder, { recursive: true }) !== undefined;
    while (!create(path, own)) removeStale(path, folder);
  } catch (error) {
    if (error instanceof CheckpointError) throw error;
    throw new CheckpointError(
      `${folder}: expected a folder to write to, got ${reason(error)}. Check its place and permissions, or choose another.`,
      { cause: error },
    );
  }
  held.set(path, { isNew, beat: beats ? setInterval(() => touch(path), beatMs).unref() : undefined });
  if (!releasesAtExit) process.on('exit', () => [...held.keys()].forEach(release));
  releasesAtExit = true;
  return () => release(path);
}

const beatMs = 5000;
const silenceMs = 120_000;

/**
 * As `lockFolder`, but waits for whoever holds the lock, and touches it every few seconds once it is held. Whether a process on
 * another machine, or in another container, still runs cannot be asked: its lock is taken over after two minutes without a touch.
 *
 * @param onWait  called now and then meanwhile, with who that is
 */
export async function waitToLock(
  folder: string,
  onWait: (why: LockedError) => void = () => {},
  patience = silenceMs,
): Promise<() => void> {
  const path = join(resolve(folder), 'lock');
  for (let [seen, since] = [modified(path), performance.now()]; ; ) {
    try {
      return lock(folder, true);
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      onWait(error);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
    const now = modified(path);
    if (now !== seen) [seen, since] = [now, performance.now()];
    const owner = parsed(read(path) ?? '');
    const isSilent = owner?.beats && owner.host !== hostname() && performance.now() - since > patience;
    if (isSilent) remove(path);
  }
}

function touch(path: string): void {
  try {
    const now = new Date();
    fs.utimesSync(path, now, now);
  } catch {
    // the folder may be gone by now
  }
}

/** Removes a lock of this process, and the folder that was made for it if nothing came into it. */
function release(path: string): void {
  const lock = held.get(path);
  if (!lock) return;
  held.delete(path);
  clearInterval(lock.beat);
  remove(path);
  if (!lock.isNew) return;
  try {
    fs.rmdirSync(dirname(path)); // fails unless it is empty
  } catch {
    // it is in use
  }
}

function remove(path: string): void {
  try {
    fs.rmSync(path, { force: true });
  } catch {
    // the folder may be gone or read-only by now; a lock that stays is seen to be stale
  }
}

/** False when the file is there already. */
function create(path: string, own: Owner): boolean {
  let file: number;
  try {
    file = fs.openSync(path, 'wx');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
  try {
    fs.writeSync(file, `${JSON.stringify(own)}\n`);
    return true;
  } catch (error) {
    remove(path);
    throw error;
  } finally {
    fs.closeSync(file);
  }
}

/** Removes a lock whose process is dead. @throws LockedError when it lives */
function removeStale(path: string, folder: string): void {
  const content = read(path);
  if (content === undefined) return; // released in the meantime
  const owner = parsed(content);
  if (owner ? lives(owner) : Date.now() - (modified(path) ?? 0) < 10_000) {
    const who = owner
      ? `process ${owner.pid}${owner.host === hostname() ? '' : ` on ${owner.host}`}`
      : 'another process';
    throw new LockedError(
      `${folder}: expected one process at a time, got ${who}, which is training there. ` +
        `Wait for it or choose another --name; if it is no training, delete ${path}.`,
    );
  }
  const aside = `${path}.${process.pid}`;
  try {
    fs.renameSync(path, aside); // of several processes that do this, one succeeds
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw error;
  }
  if (read(aside) !== content)
    fs.renameSync(aside, path); // somebody else was faster: give it back
  else remove(aside);
}

function lives({ pid, host, started }: Owner): boolean {
  if (host !== hostname()) return true; // cannot be asked
  if (!isRunning(pid)) return false;
  const now = startOf(pid);
  return started === undefined || now === undefined || now === started;
}

function parsed(content: string): Owner | undefined {
  try {
    const { pid, host, started, beats } = JSON.parse(content) as Owner;
    if (Number.isSafeInteger(pid) && pid > 0 && typeof host === 'string')
      return { pid, host, started, ...(beats === true && { beats }) };
  } catch {
    // being written, or damaged
  }
  return undefined;
}

function read(path: string): string | undefined {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

const modified = (path: string): number | undefined => fs.statSync(path, { throwIfNoEntry: false })?.mtimeMs;
