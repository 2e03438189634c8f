/** sum, sumOfSquares, max and argmax along one range of axes: x is seen as [outer, n, inner], and n is reduced. */
import { numel } from '../../shape.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { argmax, COLUMNS, type Reduction, reduceColumns, reduceRows } from './reduce-kernels.ts';

/**
 * Longer n are reduced in chunks, and then the chunks' results: rounding errors stay those of one chunk, and threads
 * share one long sum. (A row is summed in 16 lanes, a column in one.) Chunks depend on the shape alone, so results do
 * not depend on the number of threads.
 */
const CHUNK = { rows: 512, columns: 64 };

/** y [outer, inner] = the reduction of x [outer, n, inner] over n; squares only where inner is 1. */
function reduce(cpu: Cpu, op: Reduction, y: number, x: number, outer: number, n: number, inner: number): void {
  if (n === 0) [outer, inner] = [outer * inner, 1]; // y = 0 or −∞ everywhere
  const longest = inner === 1 ? CHUNK.rows : CHUNK.columns;
  const chunks = n > 2 * longest ? Math.ceil(n / longest) : 1;
  const chunk = chunks > 1 ? longest : n;
  const to = chunks > 1 ? cpu.alloc(outer * chunks * inner) : y;
  const columns = Math.ceil(inner / COLUMNS);
  const items = outer * chunks * (inner === 1 ? 1 : columns);
  const kernel = op === 'squares' || inner === 1 ? reduceRows[op] : reduceColumns[op];
  const launch = { items, work: outer * n * inner + 8 * items };
  cpu.parallel(kernel, launch, { x, y: to, n, chunks, chunk, inner, columns });
  if (chunks === 1) return;
  reduce(cpu, op === 'squares' ? 'sum' : op, y, to, outer, chunks, inner);
  cpu.free(to, outer * chunks * inner);
}

/** [outer, n, inner] around the axes from..to−1. */
function around({ shape }: CpuRef, from: number, to: number): [number, number, number] {
  return [numel(shape.slice(0, from)), numel(shape.slice(from, to)), numel(shape.slice(to))];
}

export const routines: Readonly<Record<string, Routine>> = {
  sum(cpu, y, x, opts) {
    const { from, to } = options<{ from: number; to: number }>(opts);
    reduce(cpu, 'sum', y.at, ref(x).at, ...around(ref(x), from, to));
  },
  sumOfSquares(cpu, y, ...xs) {
    const parts = cpu.alloc(xs.length);
    for (const [i, x] of xs.entries()) reduce(cpu, 'squares', parts + 4 * i, ref(x).at, 1, numel(ref(x).shape), 1);
    reduce(cpu, 'sum', y.at, parts, 1, xs.length, 1);
    cpu.free(parts, xs.length);
  },
  max(cpu, y, x, opts) {
    const { axis } = options<{ axis: number }>(opts);
    reduce(cpu, 'max', y.at, ref(x).at, ...around(ref(x), axis, axis + 1));
  },
  argmax(cpu, y, x, opts) {
    const { axis } = options<{ axis: number }>(opts);
    const [outer, n, inner] = around(ref(x), axis, axis + 1);
    cpu.parallel(argmax, { items: outer * inner, work: 4 * outer * n * inner }, { x: ref(x).at, y: y.at, n, inner });
  },
};
