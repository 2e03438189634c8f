/** Sorting, and the largest values of a row. */
import { ShapeError } from '../errors.ts';
import { defineOp, type Op } from '../op.ts';
import { normalizeAxis, numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { checkPositions } from './ids.ts';
import { gather } from './indexing.ts';
import { alongAxis, narrow } from './movement.ts';

type Order = { descending: boolean };

/** Primitive behind `argsort`: last axis only. A value's rank is the number of values before it: O(n²) work, in parallel. */
const argsortRows: Op<[x: Tensor, options: Order]> = defineOp<[x: Tensor, options: Order]>({
  name: 'argsort',
  dtype: 'int32',
  shape: (x) => {
    checkPositions('argsort', x.at(-1)!);
    return x;
  },
  vjp: () => null,
  kernel: (_, x, { descending }) => {
    const n = x.at(-1)!;
    const value = (i: string) => `x[this.thread.y * ${n} + ${i}]`;
    const earlier = 'if (i < this.thread.x) { s += 1.0; }';
    // NaN is the largest value, and no number is before, equal to or after it for < and ==
    const [before, otherIsNaN, otherIsNumber] = descending
      ? ['other > own', 's += 1.0;', '']
      : ['other < own', '', 's += 1.0;'];
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
            if (own == own) {
              if (${before}) { s += 1.0; }
              if (other == own) { ${earlier} }
              if (other != other) { ${otherIsNaN} }
            } else {
              if (other == other) { ${otherIsNumber} } else { ${earlier} }
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

/** Indices that sort an axis, from small to large or from large to small. */
const order = (op: string, x: Tensor, axis: number, descending: boolean): Tensor =>
  alongAxis(op, x, axis, (rows) => argsortRows(rows, { descending }));

/**
 * Indices that sort an axis, the last by default, from small to large (int32, no gradient). Equal values keep their order;
 * NaN comes last, as in PyTorch. Same shape as x.
 *
 * @throws ShapeError when the axis does not exist
 */
export const argsort = (x: Tensor, axis = -1): Tensor => order('argsort', x, axis, false);

/**
 * Values of an axis, the last by default, from small to large, NaN last. Same shape as x; differentiable.
 *
 * @throws ShapeError when the axis does not exist
 */
export const sort = (x: Tensor, axis = -1): Tensor => gather(x, axis, argsort(x, axis));

/**
 * The k largest values of an axis, the last by default, from large to small; of equals the first come first, and NaN
 * before all numbers, as in PyTorch.
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
  const indices = narrow(order('topk', x, a, true), a, 0, k);
  return { values: gather(x, a, indices), indices };
}
