/**
 * Preloaded into a command: counts its file operations inside of runs/ and, at one of them, sends a signal to itself or
 * finds the disk full. What it does stands in TITOK_TRIP: { count }, { signal, at, after } or { full }.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

interface Trip {
  /** Where to write how many operations there were. */
  readonly count?: string;
  readonly signal?: NodeJS.Signals;
  /** The operation, from 0. */
  readonly at?: number;
  /** After it instead of before. */
  readonly after?: boolean;
  /** The operation from which on nothing can be written. */
  readonly full?: number;
}

const trip = JSON.parse(process.env['TITOK_TRIP'] ?? '{}') as Trip;
const write = fs.writeFileSync;
const written = ['writeSync', 'appendFileSync', 'writeFileSync', 'mkdirSync', 'fsyncSync', 'renameSync'];
const watched = [...written, 'openSync', 'closeSync', 'rmSync'];
const files = new Set<unknown>(); // descriptors of files inside of runs/
let operations = 0;

const noSpace = (name: string) =>
  Object.assign(new Error(`ENOSPC: no space left on device, ${name}`), {
    code: 'ENOSPC',
    syscall: name.replace('Sync', ''),
  });

/** What a full disk does: half of the bytes arrive, then none. */
function fail(name: string, args: unknown[], real: (...args: unknown[]) => unknown): unknown {
  const [file, data] = args as [unknown, Uint8Array | string];
  if (operations - 1 === trip.full && data?.length > 1) {
    if (name === 'writeSync') return real(file, data, args[2], Math.floor((args[3] as number) / 2));
    if (name === 'appendFileSync') real(file, data.slice(0, data.length / 2));
  }
  throw noSpace(name);
}

for (const name of watched) {
  const real = (fs as unknown as Record<string, (...args: unknown[]) => unknown>)[name];
  const watch = (...args: unknown[]): unknown => {
    const [file] = args;
    const ours = typeof file === 'string' ? /(^|\/)runs\//.test(`${file}/`) : files.has(file);
    if (!ours) return real(...args);
    const at = operations++;
    const now = at === trip.at && trip.signal !== undefined;
    if (now && !trip.after) process.kill(process.pid, trip.signal);
    const full = trip.full !== undefined && at >= trip.full;
    if (full && (written.includes(name) || (name === 'openSync' && args[1] !== 'r'))) return fail(name, args, real);
    const result = real(...args);
    if (name === 'openSync') files.add(result);
    if (name === 'closeSync') files.delete(file);
    if (now && trip.after) process.kill(process.pid, trip.signal);
    return result;
  };
  Object.assign(fs, { [name]: watch });
}
syncBuiltinESMExports();
if (trip.count !== undefined) process.on('exit', () => write(trip.count!, String(operations)));
