/** Normalizations: values shifted and scaled to mean 0 and variance 1 over some axes, then an affine map. */
import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { quotient, remainder } from '../kernel-source.ts';
import { defineOp, lazily, type Op } from '../op.ts';
import { normalizeAxis, numel, type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, div, elementwise, mul, type Operand, square, sub } from './elementwise.ts';
import { narrow, reshape, stack } from './movement.ts';
import { rowMoments, rowSums, sum } from './reduce.ts';

type Epsilon = { eps: number };
type Groups = { groups: number; eps: number };

/** Mean and 1/√(variance + eps) of each row of x, under the name `of`. */
const moments = (rows: number, n: number, eps: number): Pass[] =>
  rowMoments('of', rows, n, { x: 0 }, (row, i) => `x[${row} * ${n} + ${i}]`, eps);
/** (x − mean) · rstd of one cell. */
const normal = (rows: number, n: number, row: string, i: string) =>
  `(x[${row} * ${n} + ${i}] - of[${row}]) * of[${rows} + ${row}]`;

/**
 * Rows of n values in [rows, n], where the gain of cell (row, i) is gain[channel(row, i)].
 * Layer norm has channel = i; group norm has channel = (row mod groups) · C/groups + ⌊i / spatial⌋.
 */
interface Layout {
  rows: number;
  n: number;
  channel(row: string, i: string): string;
}
const layerLayout = (x: Shape): Layout => ({ rows: numel(x) / x.at(-1)!, n: x.at(-1)!, channel: (_, i) => i });
function groupLayout(x: Shape, groups: number): Layout {
  const spatial = numel(x.slice(2));
  const perGroup = x[1] / groups;
  return {
    rows: x[0] * groups,
    n: perGroup * spatial,
    channel: (row, i) => `${remainder(row, groups)} * ${perGroup} + ${quotient(i, spatial)}`,
  };
}

function forwardPasses({ rows, n, channel }: Layout, eps: number): Pass[] {
  const c = channel('this.thread.y', 'this.thread.x');
  return [
    ...moments(rows, n, eps),
    {
      out: [n, rows],
      inputs: { x: 0, gain: 1, bias: 2, of: 'of' },
      body: `return ${normal(rows, n, 'this.thread.y', 'this.thread.x')} * gain[${c}] + bias[${c}];`,
    },
  ];
}

/** dx = rstd (d − mean(d) − xhat · mean(d · xhat)) with d = g · gain */
function gradPasses({ rows, n, channel }: Layout, eps: number): Pass[] {
  const d = (row: string, i: string) => `g[${row} * ${n} + ${i}] * gain[${channel(row, i)}]`;
  const xhat = (row: string, i: string) => normal(rows, n, row, i);
  const inputs = { x: 0, gain: 1, g: 2, of: 'of' };
  const cell = ['this.thread.y', 'this.thread.x'] as const;
  return [
    ...moments(rows, n, eps),
    ...rowSums('means', rows, n, inputs, [d, (row, i) => `${d(row, i)} * ${xhat(row, i)}`], `s / ${n}.0`),
    {
      out: [n, rows],
      inputs: { ...inputs, means: 'means' },
      body: `return of[${rows} + this.thread.y] * (${d(...cell)} - means[this.thread.y] - ${xhat(...cell)} * means[${rows} + this.thread.y]);`,
    },
  ];
}

/** (x − mean) / √(variance + eps) over the last axis, from elementary ops: the oracle of the fused kernels. */
export function standardize(x: Tensor, axes: number | readonly number[], eps: number): Tensor {
  const list = (typeof axes === 'number' ? [axes] : axes).map((a) => normalizeAxis('standardize', a, x.rank));
  const n = list.reduce((product, a) => product * x.shape[a], 1);
  const centerd = sub(x, div(sum(x, list, true), n));
  return mul(centerd, rsqrtPlus(div(sum(square(centerd), list, true), n), eps));
}
/** 1/√(x + eps) */
export const rsqrtPlus: Op<[x: Tensor, eps: number]> = elementwise<[x: Tensor, eps: Operand]>(
  'rsqrtPlus',
  '(x, eps) => 1 / sqrt(x + eps)',
);

/** Users call `layerNorm`. */
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

/** Gradient of layer norm with respect to x. */
export const layerNormGrad: Op<[x: Tensor, gain: Tensor, g: Tensor, options: Epsilon]> = defineOp({
  name: 'layerNormGrad',
  shape: (x) => x,
  vjp: ({ through }, x, gain, g, { eps }) =>
    through(
      (x, gain, g) => {
        const d = mul(g, gain);
        const { xhat, rstd } = normalized(x, -1, eps);
        const mean = (t: Tensor) => div(sum(t, -1, true), x.shape.at(-1)!);
        return mul(rstd, sub(sub(d, mean(d)), mul(xhat, mean(mul(d, xhat)))));
      },
      x,
      gain,
      g,
    ),
  kernel: (_, x, _gain, _g, { eps }) => gradPasses(layerLayout(x), eps),
});

/** [Σ g · xhat, Σ g] over rows: gradients of layer norm with respect to its gain and its bias, [2, D]. */
export const layerNormGradAffine: Op<[x: Tensor, g: Tensor, options: Epsilon]> = defineOp({
  name: 'layerNormGradAffine',
  shape: (x) => [2, x.at(-1)!],
  vjp: ({ through }, x, g, { eps }) => {
    const overRows = (t: Tensor) => sum(reshape(t, [-1, x.shape.at(-1)!]), 0);
    return through((x, g) => stack([overRows(mul(g, standardize(x, -1, eps))), overRows(g)]), x, g);
  },
  kernel: (_, x, _g, { eps }) => {
    const { rows, n } = layerLayout(x);
    const g = (c: string, row: string) => `g[${row} * ${n} + ${c}]`;
    const gx = (c: string, row: string) => `${g(c, row)} * ${normal(rows, n, row, c)}`;
    return [...moments(rows, n, eps), ...rowSums('y', n, rows, { x: 0, g: 1, of: 'of' }, [gx, g], 's')];
  },
});

function normalized(x: Tensor, axes: number | readonly number[], eps: number): { xhat: Tensor; rstd: Tensor } {
  const list = (typeof axes === 'number' ? [axes] : axes).map((a) => normalizeAxis('normalized', a, x.rank));
  const n = list.reduce((product, a) => product * x.shape[a], 1);
  const centerd = sub(x, div(sum(x, list, true), n));
  const rstd = rsqrtPlus(div(sum(square(centerd), list, true), n), eps);
  return { xhat: mul(centerd, rstd), rstd };
}

/**
 * Layer norm over the last axis (Ba et al. 2016, arXiv:1607.06450).
 *
 *   y = (x − mean) / √(variance + eps) · gain + bias        variance with 1/D
 *
 * @param x [..., D]    @param gain [D]    @param bias [D]
 */
export const layerNorm = (x: Tensor, gain: Tensor, bias: Tensor, eps = 1e-5): Tensor =>
  layerNormRows(x, gain, bias, { eps });

/** Users call `groupNorm`. */
const groupNormRows: Op<[x: Tensor, gain: Tensor, bias: Tensor, options: Groups]> = defineOp({
  name: 'groupNorm',
  shape: (x, gain, bias, { groups }) => {
    if (x.length < 2 || x[1] % groups !== 0 || gain[0] !== x[1] || bias[0] !== x[1]) {
      throw new ShapeError(
        `groupNorm: expected x [N, C, ...] with C divisible by ${groups} groups, gain [C] and bias [C], got x ${show(x)}, gain ${show(gain)} and bias ${show(bias)}.`,
      );
    }
    return x;
  },
  vjp: ({ g }, x, gain, _, options) => [
    () => groupNormGrad(x, gain, g, options),
    () => groupNormGradGain(x, g, options),
    () =>
      sum(
        g,
        x.shape.flatMap((_, i) => (i === 1 ? [] : [i])),
      ),
  ],
  kernel: (_, x, _gain, _bias, { groups, eps }) => forwardPasses(groupLayout(x, groups), eps),
});

const inGroups = (x: Tensor, groups: number): Tensor => reshape(x, [x.shape[0], groups, -1]);
const perChannel = (v: Tensor, x: Tensor): Tensor => reshape(v, [v.size, ...x.shape.slice(2).map(() => 1)]);

/** Gradient of group norm with respect to x. */
export const groupNormGrad: Op<[x: Tensor, gain: Tensor, g: Tensor, options: Groups]> = defineOp({
  name: 'groupNormGrad',
  shape: (x) => x,
  vjp: ({ through }, x, gain, g, { groups, eps }) =>
    through(
      (x, gain, g) => {
        const d = inGroups(mul(g, perChannel(gain, x)), groups);
        const { xhat, rstd } = normalized(inGroups(x, groups), -1, eps);
        const mean = (t: Tensor) => div(sum(t, -1, true), t.shape.at(-1)!);
        return reshape(mul(rstd, sub(sub(d, mean(d)), mul(xhat, mean(mul(d, xhat))))), x.shape);
      },
      x,
      gain,
      g,
    ),
  kernel: (_, x, _gain, _g, { groups, eps }) => gradPasses(groupLayout(x, groups), eps),
});

/** Gradient of group norm with respect to its gain. */
export const groupNormGradGain: Op<[x: Tensor, g: Tensor, options: Groups]> = defineOp({
  name: 'groupNormGradGain',
  shape: (x) => [x[1]],
  vjp: ({ through }, x, g, { groups, eps }) =>
    through(
      (x, g) => {
        const xhat = reshape(standardize(inGroups(x, groups), -1, eps), x.shape);
        return sum(
          mul(g, xhat),
          x.shape.flatMap((_, i) => (i === 1 ? [] : [i])),
        );
      },
      x,
      g,
    ),
  kernel: (_, x, _g, { groups, eps }) => {
    const { rows, n } = groupLayout(x, groups);
    const [N, C, S] = [x[0], x[1], numel(x.slice(2))];
    const term = (c: string, i: string) => {
      const [image, place] = [quotient(i, S), remainder(i, S)];
      const row = `(${image} * ${groups} + ${quotient(c, C / groups)})`;
      const cell = `(${image} * ${C} + ${c}) * ${S} + ${place}`;
      return `g[${cell}] * (x[${cell}] - of[${row}]) * of[${rows} + ${row}]`;
    };
    return [...moments(rows, n, eps), ...rowSums('y', C, N * S, { x: 0, g: 1, of: 'of' }, [term], 's')];
  },
});

/**
 * Group norm (Wu and He 2018, arXiv:1803.08494): channels in `groups` groups, each normalized over its channels and
 * all places of one picture.
 *
 * @param x [N, C, ...]    @param gain [C]    @param bias [C]
 */
export const groupNorm = (x: Tensor, gain: Tensor, bias: Tensor, groups: number, eps = 1e-5): Tensor =>
  groupNormRows(x, gain, bias, { groups, eps });

/**
 * Batch norm: each channel normalized over the batch and all places, or with given running statistics.
 *
 * @param x [N, C, ...]    @param gain [C] or null    @param bias [C] or null
 * @param running          mean [C] and variance [C] for evaluation; batch statistics when left out
 */
export function batchNorm(
  x: Tensor,
  gain: Tensor | null,
  bias: Tensor | null,
  eps = 1e-5,
  running?: { mean: Tensor; variance: Tensor },
): Tensor {
  const axes = x.shape.flatMap((_, i) => (i === 1 ? [] : [i]));
  let y = running
    ? mul(sub(x, perChannel(running.mean, x)), perChannel(rsqrtPlus(running.variance, eps), x))
    : standardize(x, axes, eps);
  if (gain) y = mul(y, perChannel(gain, x));
  return bias ? add(y, perChannel(bias, x)) : y;
}

/** 1/√max(s, eps²): finite, with gradient 0, where a row is all zero. */
const inverseNorm: Op<[s: Tensor, eps2: number]> = elementwise<[s: Tensor, eps2: Operand]>(
  'inverseNorm',
  '(s, eps2) => 1 / sqrt(max(s, eps2))',
);

/** y = x / max(‖x‖, eps) along an axis. */
export const l2Normalize = (x: Tensor, axis = -1, eps = 1e-12): Tensor =>
  mul(x, inverseNorm(sum(square(x), axis, true), eps * eps));
