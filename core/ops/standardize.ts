/**
 * What normalizations share: x̂ = (x − mean) / √(variance + eps), as a composite of ops and as kernel passes over rows.
 * Variances are mean squares, divided by n.
 */
import type { Pass } from '../device.ts';
import { quotient, remainder } from '../kernel-source.ts';
import type { Op } from '../op.ts';
import { numel, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { div, elementwise, mul, type Operand, square, sub } from './elementwise.ts';
import { type Axes, axesOf, sum } from './reduce.ts';
import { rowMoments, rowSums } from './reduce-passes.ts';

/** 1/√(x + eps) */
export const rsqrtPlus: Op<[x: Tensor, eps: number]> = elementwise<[x: Tensor, eps: Operand]>(
  'rsqrtPlus',
  '(x, eps) => 1 / sqrt(x + eps)',
);

/** xhat = (x − mean) · rstd over axes, with rstd = 1/√(variance + eps), whose axes stay with length 1. */
export function standardize(x: Tensor, axes: Axes, eps: number): { xhat: Tensor; rstd: Tensor } {
  const list = axesOf('standardize', x.shape, axes);
  const n = list.reduce((product, a) => product * x.shape[a], 1);
  const centered = sub(x, div(sum(x, list, true), n));
  const rstd = rsqrtPlus(div(sum(square(centered), list, true), n), eps);
  return { xhat: mul(centered, rstd), rstd };
}

/**
 * Gradient of x̂ · gain over the last axis, as a composite for second derivatives:
 *
 *   dx = rstd (d − mean(d) − x̂ · mean(d · x̂)),   d = g · gain
 */
export function standardizeGrad(x: Tensor, d: Tensor, eps: number): Tensor {
  const { xhat, rstd } = standardize(x, -1, eps);
  const mean = (t: Tensor) => div(sum(t, -1, true), x.shape.at(-1)!);
  return mul(rstd, sub(sub(d, mean(d)), mul(xhat, mean(mul(d, xhat)))));
}

/**
 * How x and its gains lie as rows: x is [rows, n], and the gain of value (row, i) is gain[channel(row, i)].
 *
 *   layer norm   a row is the last axis          channel = i
 *   group norm   a row is one group of channels  channel = (row mod groups) · C/groups + ⌊i / spatial⌋
 */
export interface RowLayout {
  readonly rows: number;
  readonly n: number;
  channel(row: string, i: string): string;
}

export const layerLayout = (x: Shape): RowLayout => ({
  rows: numel(x) / x.at(-1)!,
  n: x.at(-1)!,
  channel: (_, i) => i,
});

export function groupLayout(x: Shape, groups: number): RowLayout {
  const spatial = numel(x.slice(2));
  const perGroup = x[1] / groups;
  return {
    rows: x[0] * groups,
    n: perGroup * spatial,
    channel: (row, i) => `${remainder(row, groups)} * ${perGroup} + ${quotient(i, spatial)}`,
  };
}

/** Passes `stats`: the mean and 1/√(variance + eps) of each row, at stats[row] and stats[rows + row]. */
export const statsPasses = ({ rows, n }: RowLayout, eps: number): Pass[] =>
  rowMoments('stats', rows, n, (row, i) => `x[${row} * ${n} + ${i}]`, eps);

/** Source of x̂ where x is read at `cell`, an index that lies in `row`. */
export const xhatSource = (rows: number, row: string, cell: string): string =>
  `(x[${cell}] - stats[${row}]) * stats[${rows} + ${row}]`;

/** y = x̂ · gain + bias, for arguments x, gain and bias. */
export function forwardPasses(layout: RowLayout, eps: number): Pass[] {
  const { rows, n, channel } = layout;
  const [row, i] = ['this.thread.y', 'this.thread.x'];
  const xhat = xhatSource(rows, row, `${row} * ${n} + ${i}`);
  const c = channel(row, i);
  return [
    ...statsPasses(layout, eps),
    {
      out: [n, rows],
      inputs: { x: 0, gain: 1, bias: 2, stats: 'stats' },
      body: `return ${xhat} * gain[${c}] + bias[${c}];`,
    },
  ];
}

/** dx = rstd (d − mean(d) − x̂ · mean(d · x̂)) with d = g · gain, for arguments x, gain and g. */
export function gradPasses(layout: RowLayout, eps: number): Pass[] {
  const { rows, n, channel } = layout;
  const inputs = { x: 0, gain: 1, g: 2, stats: 'stats' };
  const d = (row: string, i: string) => `g[${row} * ${n} + ${i}] * gain[${channel(row, i)}]`;
  const xhat = (row: string, i: string) => xhatSource(rows, row, `${row} * ${n} + ${i}`);
  const dxhat = (row: string, i: string) => `${d(row, i)} * ${xhat(row, i)}`;
  const [row, i] = ['this.thread.y', 'this.thread.x'];
  const [meanD, meanDxhat, rstd] = [`means[${row}]`, `means[${rows} + ${row}]`, `stats[${rows} + ${row}]`];
  return [
    ...statsPasses(layout, eps),
    ...rowSums('means', rows, n, inputs, [d, dxhat], `s / ${n}.0`),
    {
      out: [n, rows],
      inputs: { ...inputs, means: 'means' },
      body: `return ${rstd} * (${d(row, i)} - ${meanD} - ${xhat(row, i)} * ${meanDxhat});`,
    },
  ];
}
