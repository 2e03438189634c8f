/** Means, variances and extremes from sums and maxima. */
import type { Tensor } from '../tensor.ts';
import { div, neg, square, sub } from './elementwise.ts';
import { argmax, axesOf, max, sum } from './reduce.ts';

/** Mean over axes (all when left out). */
export function mean(x: Tensor, axes?: number | readonly number[], keepDims = false): Tensor {
  const count = axesOf('mean', x.shape, axes).reduce((n, a) => n * x.shape[a]!, 1);
  return div(sum(x, axes, keepDims), count);
}

/** Variance over axes, divided by n − correction (1, as in PyTorch, unless given). */
export function variance(x: Tensor, axes?: number | readonly number[], keepDims = false, correction = 1): Tensor {
  const count = axesOf('variance', x.shape, axes).reduce((n, a) => n * x.shape[a]!, 1);
  return div(sum(square(sub(x, mean(x, axes, true))), axes, keepDims), count - correction);
}

/** Smallest value along an axis; its gradient goes to the first place that holds it. */
export const min = (x: Tensor, axis = -1, keepDims = false): Tensor => neg(max(neg(x), axis, keepDims));
/** Position of the first smallest value along an axis (int32). */
export const argmin = (x: Tensor, axis = -1): Tensor => argmax(neg(x), axis);
