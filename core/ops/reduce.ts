/** Sums, and their gradient: `sum` adds values along axes, `expand` repeats them. */
import { ShapeError } from '../errors.ts';
import { address, indices, loopSum, threads } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { expectWhole, normalizeAxis, numel, type Shape, sameShape, show, strides } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { alongAxis, reshape, unchanged } from './movement.ts';
import { reducePasses, SUM } from './reduce-passes.ts';

/** One axis, several, or all when left out. Negative axes count from the end. */
export type Axes = number | readonly number[] | undefined;

/** Primitive behind `sum`: the neighboring axes from..to−1, which stay with length 1. */
const sumRange: Op<[x: Tensor, range: { from: number; to: number }]> = defineOp({
  name: 'sum',
  shape: (x, { from, to }) => x.map((d, i) => (i >= from && i < to ? 1 : d)),
  vjp: ({ g }, x) => [() => expand(g, x.shape)],
  kernel: (_, x, { from, to }) => reducePasses(SUM, x, from, to),
});

/**
 * Sum over axes: one, several, or all when `axes` is left out. `x.sum([0, 2])`: [2, 3, 4] → [3].
 *
 * @param axes      negative axes count from the end
 * @param keepDims  keeps summed axes with length 1
 * @throws ShapeError when an axis does not exist or is named twice
 */
export function sum(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  const list = axesOf('sum', x.shape, axes);
  let y = x;
  for (const [from, to] of runs(list)) y = sumRange(y, { from, to });
  return keepDims ? y : dropAxes(y, list);
}

/** Axes in rising order; all when `axes` is left out. @throws ShapeError naming `op` when one does not exist or is named twice */
export function axesOf(op: string, shape: Shape, axes: Axes): number[] {
  if (axes === undefined) return shape.map((_, i) => i);
  if (typeof axes !== 'number') expectWhole(op, 'axes', axes);
  const list = (typeof axes === 'number' ? [axes] : axes).map((a) => normalizeAxis(op, a, shape.length));
  if (new Set(list).size < list.length)
    throw new ShapeError(`${op}: expected each axis of ${show(shape)} once, got ${show(axes as readonly number[])}.`);
  return list.sort((a, b) => a - b);
}

/** Neighboring axes taken together, as [from, to): [0, 1, 3] → [0, 2), [3, 4). A primitive then takes each run at once. */
export function runs(axes: readonly number[]): [from: number, to: number][] {
  const found: [number, number][] = [];
  for (const axis of axes) {
    const last = found.at(-1);
    if (last?.[1] === axis) last[1]++;
    else found.push([axis, axis + 1]);
  }
  return found;
}

/** x without these axes, whose length is 1. */
export const dropAxes = (x: Tensor, axes: readonly number[]): Tensor =>
  reshape(
    x,
    x.shape.filter((_, i) => !axes.includes(i)),
  );

/** Primitive behind `expand`: x and the shape have the same rank. */
const expandAxes: Op<[x: Tensor, options: { shape: Shape }]> = defineOp({
  name: 'expand',
  dtype: 'kept',
  shape: (_, { shape }) => shape,
  vjp: ({ g }, x) => [() => sumTo(g, x.shape)],
  kernel: (y, x) => {
    const step = strides(x).map((s, i) => (x[i] === 1 ? 0 : s));
    return [{ out: threads(y), inputs: { x: 0 }, body: `return x[${address(indices(y), step)}];` }];
  },
});

/**
 * Repeats x to a larger shape by NumPy's broadcasting rules: shapes are aligned at their last axes, and axes of length 1
 * (or missing ones) stretch. `x.expand([2, 3, 4])`: [3, 1] → [2, 3, 4]. The values are copied, unlike in PyTorch.
 *
 * @throws ShapeError when x does not broadcast to the shape
 */
export function expand(x: Tensor, shape: Shape): Tensor {
  expectWhole('expand', 'a shape', shape);
  if (sameShape(x.shape, shape)) return unchanged(x);
  const lead = shape.length - x.rank;
  const padded = [...new Array<number>(Math.max(0, lead)).fill(1), ...x.shape];
  if (lead < 0 || padded.some((d, i) => d !== 1 && d !== shape[i])) {
    throw new ShapeError(
      `expand: expected a shape that ${show(x.shape)} broadcasts to, got ${show(shape)}. Axes must be equal or 1.`,
    );
  }
  const aligned = lead === 0 ? x : reshape(x, padded);
  return sameShape(padded, shape) ? aligned : expandAxes(aligned, { shape: [...shape] });
}

/** The opposite of expand: sums x over the axes that broadcasting stretched, down to `shape`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.flatMap((d, i) => (i < lead || (shape[i - lead] === 1 && d !== 1) ? [i] : []));
  return reshape(sum(x, axes, true), shape);
}

/** Primitive behind `cumsum`: last axis only; `reverse` runs from the end. */
const runningSum: Op<[x: Tensor, options: { reverse: boolean }]> = defineOp({
  name: 'cumsum',
  shape: (x) => x,
  vjp: ({ g }, _, { reverse }) => [() => runningSum(g, { reverse: !reverse })],
  kernel: (_, x, { reverse }) => {
    const n = x.at(-1) ?? 1;
    const taken = (i: string) => `${i} ${reverse ? '>=' : '<='} this.thread.x`;
    const body = `
      let s = 0.0;
      ${loopSum(n, (i) => `x[this.thread.y * ${n} + ${i}]`, { only: taken })}
      return s;`;
    return [{ out: [n, numel(x) / n], inputs: { x: 0 }, body }];
  },
});

/**
 * Running sum along an axis, the last by default: y_i = Σ_{j ≤ i} x_j. Same shape as x.
 *
 * @throws ShapeError when the axis does not exist
 */
export const cumsum = (x: Tensor, axis = -1): Tensor =>
  alongAxis('cumsum', x, axis, (rows) => runningSum(rows, { reverse: false }));
