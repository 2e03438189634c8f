/** Sorting, and the largest values of a row. */
import { ShapeError } from '../errors.ts';
import { defineOp, type Op } from '../op.ts';
import { normalizeAxis, numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { neg } from './elementwise.ts';
import { gather } from './indexing.ts';
import { alongAxis, narrow } from './movement.ts';

/** Primitive behind `argsort`: last axis only. A value's rank is the number of values before it: O(n²) work, in parallel. */
const argsortRows: Op<[x: Tensor]> = defineOp<[x: Tensor]>({
  name: 'argsort',
  dtype: 'int32',
  shape: (x) => x,
  vjp: () => null,
  kernel: (_, x) => {
    const n = x.at(-1)!;
    const value = (i: string) => `x[this.thread.y * ${n} + ${i}]`;
    return [
      {
        name: 'rank',
        out: [n, numel(x) / n],
        inputs: { x: 0 },
        body: `
          const own = ${value('this.thread.x')};
          let s = 0.0;
          for (let i = 0; i < ${n}; i++) {
            const other = ${value('i')};
            if (other < own) { s += 1.0; }
            if (i < this.thread.x) {
              if (other == own) { s += 1.0; }
            }
          }
          return s;`,
      },
      {
        out: [n, numel(x) / n],
        inputs: { rank: 'rank' },
        body: `
          let p = 0.0;
          for (let i = 0; i < ${n}; i++) {
            if (rank[this.thread.y * ${n} + i] == this.thread.x) { p = i; }
          }
          return p;`,
      },
    ];
  },
});

/**
 * Indices that sort an axis, the last by default, from small to large (int32, no gradient). Equal values keep their order;
 * that of NaN is not specified. Same shape as x.
 *
 * @throws ShapeError when the axis does not exist
 */
export const argsort = (x: Tensor, axis = -1): Tensor => alongAxis('argsort', x, axis, argsortRows);

/**
 * Values of an axis, the last by default, from small to large. Same shape as x; differentiable.
 *
 * @throws ShapeError when the axis does not exist
 */
export const sort = (x: Tensor, axis = -1): Tensor => gather(x, axis, argsort(x, axis));

/**
 * The k largest values of an axis, the last by default, from large to small; of equals the first come first.
 *
 * @returns values, differentiable; indices, int32: both with k in place of the axis's length
 * @throws ShapeError when the axis does not exist or has fewer than k values
 */
export function topk(x: Tensor, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  const a = normalizeAxis('topk', axis, x.rank);
  if (!Number.isInteger(k) || k < 0 || k > x.shape[a]) {
    throw new ShapeError(
      `topk: expected k in 0..${x.shape[a]}, the length of axis ${axis} of ${show(x.shape)}, got ${k}.`,
    );
  }
  const indices = narrow(argsort(neg(x), a), a, 0, k);
  return { values: gather(x, a, indices), indices };
}
