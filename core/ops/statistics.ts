/** Means, variances and extremes from sums and maxima; the sum of squares of many tensors. */
import type { Pass } from '../device.ts';
import { defineOp, type Op } from '../op.ts';
import { numel } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, div, mul, neg, square, sub } from './elementwise.ts';
import { argmax, axesOf, max, rowSums, sum } from './reduce.ts';

/** Mean over axes (all when left out). */
export function mean(x: Tensor, axes?: number | readonly number[], keepDims = false): Tensor {
  const count = axesOf('mean', x.shape, axes).reduce((n, a) => n * x.shape[a], 1);
  return div(sum(x, axes, keepDims), count);
}

/** Variance over axes, divided by n − correction (1, as in PyTorch, unless given). */
export function variance(x: Tensor, axes?: number | readonly number[], keepDims = false, correction = 1): Tensor {
  const count = axesOf('variance', x.shape, axes).reduce((n, a) => n * x.shape[a], 1);
  return div(sum(square(sub(x, mean(x, axes, true))), axes, keepDims), count - correction);
}

/** Smallest value along an axis; its gradient goes to the first place that holds it. */
export const min = (x: Tensor, axis = -1, keepDims = false): Tensor => neg(max(neg(x), axis, keepDims));
/** Position of the first smallest value along an axis (int32). */
export const argmin = (x: Tensor, axis = -1): Tensor => argmax(neg(x), axis);

/** Up to six tensors. Users call `sumOfSquares`. */
const squares: Op<Tensor[]> = defineOp<Tensor[]>({
  name: 'sumOfSquares',
  shape: () => [],
  vjp: ({ g }, ...xs) => xs.map((x) => () => mul(x, mul(g, 2))),
  kernel: (_, ...xs) => {
    const names = xs.map((_, i) => `s${i}`);
    const each = xs.flatMap((x, i): Pass[] =>
      rowSums(`s${i}`, 1, numel(x), { x: i }, [(_, j) => `x[${j}] * x[${j}]`], 's'),
    );
    const body = `return ${names.map((s) => `${s}[0]`).join(' + ')};`;
    return [...each, { out: [1], inputs: Object.fromEntries(names.map((s) => [s, s])), body }];
  },
});

/** Σ x² over all values of all tensors, as one element. */
export function sumOfSquares(xs: readonly Tensor[]): Tensor {
  const groups = Array.from({ length: Math.ceil(xs.length / 6) }, (_, i) => squares(...xs.slice(6 * i, 6 * i + 6)));
  return groups.reduce((a, b) => add(a, b));
}
