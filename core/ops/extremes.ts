/** Largest and smallest values, and where they stand. */
import { ShapeError } from '../errors.ts';
import { address, ifLarger } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { normalizeAxis, numel, type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { neg } from './elementwise.ts';
import { checkPositions } from './ids.ts';
import { spread } from './indexing.ts';
import { reshape, unsqueeze } from './movement.ts';
import { type Axes, axesOf, dropAxes, runs } from './reduce.ts';
import { around, MAX, reducePasses } from './reduce-passes.ts';

type AxisOption = { axis: number };

/** Primitive behind `max`: one axis, which stays with length 1. */
const maxAlong: Op<[x: Tensor, options: AxisOption]> = defineOp({
  name: 'max',
  shape: (x, { axis }) => x.map((d, i) => (i === axis ? 1 : d)),
  vjp: ({ g }, x, { axis }) => [() => spread(g, axis, unsqueeze(argmaxAlong(x, { axis }), axis), x.shape[axis])],
  kernel: (_, x, { axis }) => reducePasses(MAX, x, axis, axis + 1),
});

/** Primitive behind `argmax`: one axis, which is removed. */
const argmaxAlong: Op<[x: Tensor, options: AxisOption]> = defineOp<[x: Tensor, options: AxisOption]>({
  name: 'argmax',
  dtype: 'int32',
  shape: (x, { axis }) => {
    checkPositions('argmax', x[axis]);
    return x.filter((_, i) => i !== axis);
  },
  vjp: () => null,
  kernel: (_, x, { axis }) => {
    const { outer, n, inner } = around(x, axis, axis + 1);
    const entry = (i: string) => `x[${address(['this.thread.y', i, 'this.thread.x'], [n * inner, inner, 1])}]`;
    const body = `
      let m = ${entry('0')};
      let best = 0.0;
      for (let i = 0; i < ${n}; i++) {
        ${ifLarger(entry('i'), 'm', `m = ${entry('i')}; best = i;`)}
      }
      return best;`;
    return [{ out: [inner, outer], inputs: { x: 0 }, body }];
  },
});

/**
 * Largest value over axes: one, several, or all when `axes` is left out. PyTorch's `amax`; `maximum` compares two tensors. NaN
 * where one is NaN. The gradient goes to the first place that holds the largest value, in row-major order; PyTorch's shares it.
 *
 * @param axes      negative axes count from the end
 * @param keepDims  keeps reduced axes with length 1
 * @throws ShapeError when an axis does not exist, is named twice or has no values
 */
export function max(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  const list = axesOf('max', x.shape, axes);
  expectValues('max', x.shape, list);
  let y = x;
  for (const [from, to] of runs(list).reverse()) y = maxOver(y, from, to); // from the last on, so that first places win
  return keepDims ? y : dropAxes(y, list);
}

/** The axes from..to−1 as one, of which the maximum is taken; they stay with length 1. */
function maxOver(x: Tensor, from: number, to: number): Tensor {
  const [before, after] = [x.shape.slice(0, from), x.shape.slice(to)];
  if (to - from === 1) return maxAlong(x, { axis: from });
  const m = maxAlong(reshape(x, [...before, numel(x.shape.slice(from, to)), ...after]), { axis: from });
  return reshape(m, [...before, ...new Array<number>(to - from).fill(1), ...after]);
}

/**
 * Smallest value over axes: one, several, or all when `axes` is left out. PyTorch's `amin`; `minimum` compares two tensors. NaN
 * where one is NaN. The gradient goes to the first place that holds the smallest value, in row-major order; PyTorch's shares it.
 *
 * @param axes      negative axes count from the end
 * @param keepDims  keeps reduced axes with length 1
 * @throws ShapeError when an axis does not exist, is named twice or has no values
 */
export function min(x: Tensor, axes?: Axes, keepDims = false): Tensor {
  expectValues('min', x.shape, axesOf('min', x.shape, axes));
  return neg(max(neg(x), axes, keepDims));
}

/**
 * Index of the first largest value along an axis, or of the first NaN; the axis is removed (int32, no gradient). Without
 * an axis: the index into the flattened tensor, a scalar.
 *
 * @throws ShapeError when the axis does not exist or has no values
 * @throws DeviceError when it has more than 2²⁴: positions would not be exact
 */
export const argmax = (x: Tensor, axis?: number): Tensor => positionOf('argmax', x, axis);

/**
 * Index of the first smallest value along an axis, or of the first NaN; the axis is removed (int32, no gradient). Without
 * an axis: the index into the flattened tensor, a scalar.
 *
 * @throws ShapeError when the axis does not exist or has no values
 * @throws DeviceError when it has more than 2²⁴: positions would not be exact
 */
export const argmin = (x: Tensor, axis?: number): Tensor => positionOf('argmin', neg(x), axis);

function positionOf(op: string, x: Tensor, axis: number | undefined): Tensor {
  const [rows, a] = axis === undefined ? [reshape(x, [x.size]), 0] : [x, normalizeAxis(op, axis, x.rank)];
  expectValues(op, rows.shape, [a]);
  return argmaxAlong(rows, { axis: a });
}

/** @throws ShapeError naming `op` when one of the axes has no values */
export function expectValues(op: string, shape: Shape, axes: readonly number[]): void {
  const empty = axes.find((a) => shape[a] === 0);
  if (empty === undefined) return;
  throw new ShapeError(`${op}: expected at least one value along axis ${empty} of ${show(shape)}, got none.`);
}
