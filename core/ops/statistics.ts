/** Reductions made of others: mean, variance, standard deviation, product. The sum of squares of many tensors. */
import { full } from '../create.ts';
import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { inKernelGroups } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { numel } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, div, equal, mul, sqrt, square, sub, where } from './elementwise.ts';
import { concat, narrow, permute, reshape } from './movement.ts';
import { type Axes, axesOf, sum } from './reduce.ts';
import { rowSums } from './reduce-passes.ts';

/** How many values of x one result of a reduction over these axes takes. */
const countOver = (op: string, x: Tensor, axes: Axes): number =>
  axesOf(op, x.shape, axes).reduce((n, a) => n * x.shape[a], 1);

/**
 * Mean over axes: one, several, or all when `axes` is left out.
 *
 * @param axes      negative axes count from the end
 * @param keepDims  keeps reduced axes with length 1
 * @throws ShapeError when an axis does not exist or is named twice
 */
export function mean(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  const count = countOver('mean', x, axes);
  return div(sum(x, axes, keepDims), count);
}

/**
 * Variance over axes: Σ (x − mean)² / (n − correction). PyTorch's `var`. Infinite, or NaN for 0 / 0, where n ≤ correction.
 *
 * @param axes        one axis, several, or all when left out; negative axes count from the end
 * @param keepDims    keeps reduced axes with length 1
 * @param correction  1, the default: unbiased, as in PyTorch; 0: the mean square
 * @throws ShapeError when an axis does not exist or is named twice
 */
export function variance(x: Tensor, axes?: Axes, keepDims = false, correction = 1): Tensor {
  const count = countOver('variance', x, axes);
  return div(sum(square(sub(x, mean(x, axes, true))), axes, keepDims), Math.max(0, count - correction));
}

/**
 * Standard deviation over axes: √(Σ (x − mean)² / (n − correction)). Its gradient is 0 where it is 0, as in
 * PyTorch.
 *
 * @param axes        one axis, several, or all when left out; negative axes count from the end
 * @param keepDims    keeps reduced axes with length 1
 * @param correction  1, the default: from the unbiased variance, as in PyTorch; 0: the root mean square
 * @throws ShapeError when an axis does not exist or is named twice
 */
export function std(x: Tensor, axes?: Axes, keepDims = false, correction = 1): Tensor {
  const v = variance(x, axes, keepDims, correction);
  const isZero = equal(v, 0);
  return where(isZero, 0, sqrt(where(isZero, 1, v)));
}

/**
 * Product over axes: one, several, or all when `axes` is left out; 1 where an axis is empty. Takes log₂ n rounds of
 * elementwise products, so that gradients are right at zeros, too: ∂y/∂x_i = ∏_{j ≠ i} x_j.
 *
 * @param axes      negative axes count from the end
 * @param keepDims  keeps reduced axes with length 1
 * @throws ShapeError when an axis does not exist or is named twice
 */
export function prod(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  const list = axesOf('prod', x.shape, axes);
  const others = x.shape.flatMap((_, i) => (list.includes(i) ? [] : [i]));
  const kept = others.map((a) => x.shape[a]);
  let n = countOver('prod', x, axes);
  let y =
    n === 0 ? full([...kept, 1], 1, { device: x.device }) : reshape(permute(x, [...others, ...list]), [...kept, n]);
  for (; n > 1; n = Math.ceil(n / 2)) {
    const half = Math.floor(n / 2);
    const pairs = mul(narrow(y, -1, 0, half), narrow(y, -1, half, half));
    y = n % 2 === 0 ? pairs : concat([pairs, narrow(y, -1, n - 1, 1)], -1);
  }
  return reshape(y, keepDims ? x.shape.map((d, i) => (list.includes(i) ? 1 : d)) : kept);
}

/** Primitive behind `sumOfSquares`: as many tensors as one kernel may read. */
const squares: Op<Tensor[]> = defineOp<Tensor[]>({
  name: 'sumOfSquares',
  shape: () => [],
  vjp: ({ g }, ...xs) => xs.map((x) => () => mul(x, mul(g, 2))),
  kernel: (_, ...xs) => {
    const names = xs.map((_, i) => `s${i}`);
    const each = xs.flatMap((x, i): Pass[] => rowSums(`s${i}`, 1, numel(x), { x: i }, [(_, j) => `x[${j}] * x[${j}]`]));
    const body = `return ${names.map((s) => `${s}[0]`).join(' + ')};`;
    return [...each, { out: [1], inputs: Object.fromEntries(names.map((s) => [s, s])), body }];
  },
});

/**
 * Σ x² over all values of all tensors, a scalar: the square of a global gradient norm.
 *
 * @throws ShapeError when there is none
 */
export function sumOfSquares(xs: readonly Tensor[]): Tensor {
  if (xs.length === 0) throw new ShapeError('sumOfSquares: expected at least one tensor, got none.');
  return inKernelGroups(xs)
    .map((group) => squares(...group))
    .reduce((a, b) => add(a, b));
}
