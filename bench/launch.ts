/** Starts the sides of a comparison: our workloads, the same in PyTorch, the same in other JavaScript libraries. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MatmulPrecision } from '../core/index.ts';
import { Side } from './side.ts';

/** A library that is not installed, or not usable. The message says why and how to install it. */
export class AbsentError extends Error {
  override name = 'AbsentError';
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const node = (script: string, ...args: readonly string[]): Promise<Side> =>
  Side.start(process.execPath, ['--import', import.meta.resolve('tsx'), here(script), ...args]);

/** Our workload `name` of bench/workloads/`file`.ts. */
export const ours = (
  file: string,
  name: string,
  threads: number,
  matmulPrecision: MatmulPrecision = 'highest',
): Promise<Side> =>
  node(`workloads/${file}.ts`, name, '--threads', String(threads), '--matmul-precision', matmulPrecision);

/** Debian's Python, which has python3-torch, even if PATH finds another Python first. */
export const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';

/**
 * The same workload in PyTorch: `name` of bench/pytorch/`file`.py.
 *
 * @param threads     for matrix products (OpenBLAS)
 * @param ompThreads  for all other ops (OpenMP)
 * @throws AbsentError when torch is not installed, or uses the reference BLAS, which is 20 times slower than OpenBLAS
 */
export async function pytorch(file: string, name: string, threads: number, ompThreads: number): Promise<Side> {
  const options = ['--blas-threads', String(threads), '--omp-threads', String(ompThreads)];
  const side = await Side.start(python, [here(`pytorch/${file}.py`), name, ...options]).catch((error: Error) => {
    if (!/No module named '(torch|numpy)'|ENOENT|EACCES/.test(error.message)) throw error;
    throw new AbsentError('torch is not installed; Debian: apt install python3-torch libopenblas0-pthread');
  });
  if (side.hello.blas !== 'reference') return side;
  await side.close();
  throw new AbsentError(
    'torch multiplies with the reference BLAS and is 20 times slower than it could be; install libopenblas0-pthread',
  );
}

/**
 * The same workload in a library of bench/peers.
 *
 * @throws AbsentError when the libraries are not installed
 */
export async function peer(library: string, name: string, threads: number): Promise<Side> {
  if (!existsSync(here('peers/node_modules'))) {
    throw new AbsentError(`${library} is not installed; npm ci --prefix bench/peers --ignore-scripts`);
  }
  return node(`peers/${library}.js`, name, '--threads', String(threads));
}
