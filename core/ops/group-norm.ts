/** Group norm and its gradients. */
import { ShapeError } from '../errors.ts';
import { quotient, remainder } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { divides, numel, type Shape, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { reshape } from './movement.ts';
import { sum } from './reduce.ts';
import { rowSums } from './reduce-passes.ts';
import {
  forwardPasses,
  gradPasses,
  groupLayout,
  standardize,
  standardizeGrad,
  statsPasses,
  xhatSource,
} from './standardize.ts';

type Groups = { groups: number; eps: number };

/** All axes of [N, C, ...] but the channels. */
export const besidesChannels = (x: Shape): number[] => x.flatMap((_, i) => (i === 1 ? [] : [i]));
/** v [C] as [C, 1, …, 1], so that it broadcasts over x [N, C, ...]. */
export const perChannel = (v: Tensor, x: Tensor): Tensor => reshape(v, [v.size, ...x.shape.slice(2).map(() => 1)]);
/** x [N, C, ...] with the values of each group as one row: [N, groups, n]. */
const inGroups = (x: Tensor, groups: number): Tensor => reshape(x, [x.shape[0], groups, -1]);

/** Primitive behind `groupNorm`. */
const groupNormRows: Op<[x: Tensor, gain: Tensor, bias: Tensor, options: Groups]> = defineOp({
  name: 'groupNorm',
  shape: (x, gain, bias, { groups }) => {
    const isPerChannel = (v: Shape) => sameShape(v, [x[1]]);
    if (x.length < 2 || !divides(groups, x[1]) || !isPerChannel(gain) || !isPerChannel(bias)) {
      throw new ShapeError(
        `groupNorm: expected x [N, C, ...] with C divisible by ${groups} groups, gain [C] and bias [C], got x ${show(x)}, gain ${show(gain)} and bias ${show(bias)}.`,
      );
    }
    return x;
  },
  vjp: ({ g }, x, gain, _, options) => [
    () => groupNormGrad(x, gain, g, options),
    () => groupNormGradGain(x, g, options),
    () => sum(g, besidesChannels(x.shape)),
  ],
  kernel: (_, x, _gain, _bias, { groups, eps }) => forwardPasses(groupLayout(x, groups), eps),
});

/** Gradient of group norm with respect to x: see `standardizeGrad`. */
export const groupNormGrad: Op<[x: Tensor, gain: Tensor, g: Tensor, options: Groups]> = defineOp({
  name: 'groupNormGrad',
  shape: (x) => x,
  vjp: ({ through }, x, gain, g, { groups, eps }) =>
    through(
      (x, gain, g) => {
        const d = mul(g, perChannel(gain, x));
        return reshape(standardizeGrad(inGroups(x, groups), inGroups(d, groups), eps), x.shape);
      },
      x,
      gain,
      g,
    ),
  kernel: (_, x, _gain, _g, { groups, eps }) => gradPasses(groupLayout(x, groups), eps),
});

/** Gradient of group norm with respect to its gain: Σ g · x̂ over batch and positions. */
export const groupNormGradGain: Op<[x: Tensor, g: Tensor, options: Groups]> = defineOp({
  name: 'groupNormGradGain',
  shape: (x) => [x[1]],
  vjp: ({ through }, x, g, { groups, eps }) =>
    through(
      (x, g) => {
        const xhat = reshape(standardize(inGroups(x, groups), -1, eps).xhat, x.shape);
        return sum(mul(g, xhat), besidesChannels(x.shape));
      },
      x,
      g,
    ),
  kernel: (_, x, _g, { groups, eps }) => {
    const layout = groupLayout(x, groups);
    const [N, C, spatial] = [x[0], x[1], numel(x.slice(2))];
    /** Entry i of the sum of channel c, where i counts batch and positions. */
    const term = (c: string, i: string) => {
      const [image, position] = [quotient(i, spatial), remainder(i, spatial)];
      const row = `(${image} * ${groups} + ${quotient(c, C / groups)})`;
      const cell = `(${image} * ${C} + ${c}) * ${spatial} + ${position}`;
      return `g[${cell}] * ${xhatSource(layout.rows, row, cell)}`;
    };
    return [...statsPasses(layout, eps), ...rowSums('y', C, N * spatial, { x: 0, g: 1, stats: 'stats' }, [term])];
  },
});

/**
 * Group norm: channels in `groups` groups, each normalized over its channels and all positions of one image.
 *
 *   y = (x − mean) / √(variance + eps) · gain + bias,   variance = Σ (x − mean)² / n
 *
 * @param x [N, C, ...]    @param gain [C]    @param bias [C]    @returns [N, C, ...]
 * @throws ShapeError when the groups do not divide C, or gain or bias is not [C]
 * @see Wu and He 2018, arXiv:1803.08494
 */
export const groupNorm = (x: Tensor, gain: Tensor, bias: Tensor, groups: number, eps = 1e-5): Tensor =>
  groupNormRows(x, gain, bias, { groups, eps });
