/** PyTorch as a peer: scripts beside this file, run with Debian's python3 if python3-torch is installed. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/**
 * Runs a script and reads the lines of JSON that it prints.
 *
 * OpenBLAS gets the threads and OpenMP one: with both on all cores the two pools compete and PyTorch takes twice as long.
 *
 * @returns null when PyTorch is absent
 */
export function torch(script: string, threads: number, args: readonly string[] = []): Record<string, unknown>[] | null {
  const python = '/usr/bin/python3';
  if (!existsSync(python)) return null;
  const path = fileURLToPath(new URL(script, import.meta.url));
  const run = spawnSync(python, [path, '--blas-threads', String(threads), '--omp-threads', '1', '--json', ...args], {
    encoding: 'utf8',
  });
  if (run.status !== 0) return null;
  return run.stdout
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
