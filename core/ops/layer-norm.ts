/** Layer norm and its gradients. */
import { ShapeError } from '../errors.ts';
import { defineOp, lazily, type Op } from '../op.ts';
import { show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { narrow, reshape, stack } from './movement.ts';
import { sum } from './reduce.ts';
import { rowSums } from './reduce-passes.ts';
import {
  forwardPasses,
  gradPasses,
  layerLayout,
  standardize,
  standardizeGrad,
  statsPasses,
  xhatSource,
} from './standardize.ts';

type Epsilon = { eps: number };

/** Primitive behind `layerNorm`. */
const layerNormRows: Op<[x: Tensor, gain: Tensor, bias: Tensor, options: Epsilon]> = defineOp({
  name: 'layerNorm',
  shape: (x, gain, bias) => {
    if (gain.length !== 1 || bias.length !== 1 || gain[0] !== x.at(-1) || bias[0] !== x.at(-1)) {
      throw new ShapeError(
        `layerNorm: expected x [..., D], gain [D] and bias [D], got x ${show(x)}, gain ${show(gain)} and bias ${show(bias)}.`,
      );
    }
    return x;
  },
  vjp: ({ g }, x, gain, _, options) => {
    const affine = lazily(() => layerNormGradAffine(x, g, options));
    const row = (i: number) => reshape(narrow(affine(), 0, i, 1), gain.shape);
    return [() => layerNormGrad(x, gain, g, options), () => row(0), () => row(1)];
  },
  kernel: (_, x, _gain, _bias, { eps }) => forwardPasses(layerLayout(x), eps),
});

/** Gradient of layer norm with respect to x: see `standardizeGrad`. */
export const layerNormGrad: Op<[x: Tensor, gain: Tensor, g: Tensor, options: Epsilon]> = defineOp({
  name: 'layerNormGrad',
  shape: (x) => x,
  vjp: ({ through }, x, gain, g, { eps }) => through((x, gain, g) => standardizeGrad(x, mul(g, gain), eps), x, gain, g),
  kernel: (_, x, _gain, _g, { eps }) => gradPasses(layerLayout(x), eps),
});

/** Gradients of layer norm with respect to gain and bias, [2, D]: Σ g · x̂ over rows, and Σ g. */
export const layerNormGradAffine: Op<[x: Tensor, g: Tensor, options: Epsilon]> = defineOp({
  name: 'layerNormGradAffine',
  shape: (x) => [2, x.at(-1)!],
  vjp: ({ through }, x, g, { eps }) => {
    const overRows = (t: Tensor) => sum(reshape(t, [-1, x.shape.at(-1)!]), 0);
    return through((x, g) => stack([overRows(mul(g, standardize(x, -1, eps).xhat)), overRows(g)]), x, g);
  },
  kernel: (_, x, _g, { eps }) => {
    const layout = layerLayout(x);
    const { rows, n } = layout;
    // sums over rows: here the "row" of a sum is a column of x
    const g = (column: string, row: string) => `g[${row} * ${n} + ${column}]`;
    const gxhat = (column: string, row: string) =>
      `${g(column, row)} * ${xhatSource(rows, row, `${row} * ${n} + ${column}`)}`;
    return [...statsPasses(layout, eps), ...rowSums('y', n, rows, { x: 0, g: 1, stats: 'stats' }, [gxhat, g])];
  },
});

/**
 * Layer norm over the last axis:
 *
 *   y = (x − mean) / √(variance + eps) · gain + bias,   variance = Σ (x − mean)² / D
 *
 * @param x [..., D]    @param gain [D]    @param bias [D]    @returns [..., D]
 * @throws ShapeError when gain or bias is not [D]
 * @see Ba et al. 2016, arXiv:1607.06450
 */
export const layerNorm = (x: Tensor, gain: Tensor, bias: Tensor, eps = 1e-5): Tensor =>
  layerNormRows(x, gain, bias, { eps });
