/** Normalizations without a kernel of their own: batch norm, and rows of length 1. */
import { ShapeError } from '../errors.ts';
import { expectTensors, type Op } from '../op.ts';
import { sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, elementwise, mul, type Operand, square, sub } from './elementwise.ts';
import { besidesChannels, perChannel } from './group-norm.ts';
import { sum } from './reduce.ts';
import { rsqrtPlus, standardize } from './standardize.ts';

/**
 * Batch norm: each channel normalized over the batch and all positions, or with given running statistics.
 *
 *   y = (x − mean) / √(variance + eps) · gain + bias
 *
 * @param x        [N, C, ...]
 * @param gain     [C] or null
 * @param bias     [C] or null
 * @param running  mean [C] and variance [C] for evaluation; without them those of the batch (variance divided by n)
 * @returns        [N, C, ...]
 * @throws ShapeError when x has fewer than two axes, or another tensor is not [C]
 * @see Ioffe and Szegedy 2015, arXiv:1502.03167
 */
export function batchNorm(
  x: Tensor,
  gain: Tensor | null,
  bias: Tensor | null,
  eps = 1e-5,
  running?: { mean: Tensor; variance: Tensor },
): Tensor {
  expectTensors('batchNorm', x);
  const others = { gain, bias, mean: running?.mean, variance: running?.variance };
  for (const [name, v] of Object.entries(others))
    if (x.rank < 2 || (v && !sameShape(v.shape, [x.shape[1]])))
      throw new ShapeError(
        `batchNorm: expected x [N, C, ...] and ${name} [C], got x ${show(x.shape)} and ${name} ${v ? show(v.shape) : 'none'}.`,
      );
  let y = running
    ? mul(sub(x, perChannel(running.mean, x)), perChannel(rsqrtPlus(running.variance, eps), x))
    : standardize(x, besidesChannels(x.shape), eps).xhat;
  if (gain) y = mul(y, perChannel(gain, x));
  return bias ? add(y, perChannel(bias, x)) : y;
}

/** 1/√max(s, eps²): finite, with gradient 0, where s is 0. */
const inverseNorm: Op<[s: Tensor, eps2: number]> = elementwise<[s: Tensor, eps2: Operand]>(
  'inverseNorm',
  '(s, eps2) => 1 / sqrt(max(s, eps2))',
);

/**
 * Vectors of length 1 along an axis, the last by default: y = x / max(‖x‖, eps). PyTorch's `normalize`. A zero vector
 * stays zero.
 *
 * @throws ShapeError when the axis does not exist
 */
export const l2Normalize = (x: Tensor, axis = -1, eps = 1e-12): Tensor =>
  mul(x, inverseNorm(sum(square(x), axis, true), eps * eps));
