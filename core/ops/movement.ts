/**
 * Ops that move values without changing them. They keep the dtype: ids stay int32. Lists of axes and lengths are copied, because
 * the gradient reads them later, when the caller may have changed its own.
 */

import { kindOf, ShapeError } from '../errors.ts';
import { address, indices, inKernelGroups, threads, when } from '../kernel-source.ts';
import { defineOp, expectTensors, isRecording, type Op } from '../op.ts';
import { divides, expectWhole, normalizeAxis, numel, type Shape, sameShape, show, strides } from '../shape.ts';
import type { Tensor } from '../tensor.ts';

// ---- shape ---------------------------------------------------------------------------------------------------------

/** Primitive behind `reshape`: a view, which shares memory. */
const reshapeTo: Op<[x: Tensor, options: { shape: Shape }]> = defineOp({
  name: 'reshape',
  shape: (_, { shape }) => shape,
  vjp: ({ g }, x) => [() => reshapeTo(g, { shape: x.shape })],
});

/**
 * The same values in row-major order under another shape; shares memory. `x.reshape([2, -1])`: [4, 3] → [2, 6].
 *
 * @param shape  one axis may be −1, and takes what the others leave
 * @throws ShapeError when the shape has another number of values
 */
export function reshape(x: Tensor, shape: Shape): Tensor {
  expectWhole('reshape', 'a shape', shape);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const free = shape.indexOf(-1);
  const full = free < 0 ? [...shape] : shape.map((d, i) => (i === free ? x.size / known : d));
  if (
    numel(full) !== x.size ||
    full.some((d) => !Number.isInteger(d) || d < 0) ||
    (shape.indexOf(-1, free + 1) > free && free >= 0)
  ) {
    throw new ShapeError(`reshape: expected a shape of ${x.size} values for ${show(x.shape)}, got ${show(shape)}.`);
  }
  return reshapeTo(x, { shape: full });
}

/**
 * Inserts an axis of length 1. `x.unsqueeze(-1)`: [2, 3] → [2, 3, 1].
 *
 * @param axis  position of the new axis, 0..rank; negative ones count from the end of the result
 * @throws ShapeError when the result has no such axis
 */
export function unsqueeze(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('unsqueeze', axis, x.rank + 1);
  return reshape(x, [...x.shape.slice(0, a), 1, ...x.shape.slice(a)]);
}

/**
 * Removes an axis of length 1. `x.squeeze(0)`: [1, 3] → [3].
 *
 * @throws ShapeError when the axis does not exist or has another length
 */
export function squeeze(x: Tensor, axis: number): Tensor {
  const a = normalizeAxis('squeeze', axis, x.rank);
  if (x.shape[a] !== 1)
    throw new ShapeError(`squeeze: expected axis ${axis} of ${show(x.shape)} to have length 1, got ${x.shape[a]}.`);
  return reshape(
    x,
    x.shape.filter((_, i) => i !== a),
  );
}

/**
 * Joins all axes from `from` on into one; all axes by default. `x.flatten(1)`: [2, 3, 4] → [2, 12].
 *
 * @throws ShapeError when the axis does not exist
 */
export function flatten(x: Tensor, from = 0): Tensor {
  const a = x.rank === 0 ? 0 : normalizeAxis('flatten', from, x.rank);
  return reshape(x, [...x.shape.slice(0, a), numel(x.shape.slice(a))]);
}

/** The same values as a constant: gradients stop here. PyTorch's `detach`. */
export const stopGradient = (x: Tensor): Tensor => x.alias();

/**
 * x as the result of an op that has nothing to change: x itself where gradients are recorded, and under `noGrad` a constant, as
 * other results are there.
 */
export const unchanged = (x: Tensor): Tensor => (isRecording() ? x : stopGradient(x));

// ---- order of axes -------------------------------------------------------------------------------------------------

/** Primitive behind `permute`: axes are 0..rank−1. */
const permuteAxes: Op<[x: Tensor, options: { axes: readonly number[] }]> = defineOp({
  name: 'permute',
  dtype: 'kept',
  shape: (x, { axes }) => axes.map((a) => x[a]),
  vjp: ({ g }, _, { axes }) => [() => permuteAxes(g, { axes: axes.map((_, i) => axes.indexOf(i)) })],
  kernel: (y, x, { axes }) => {
    const step = strides(x);
    const from = address(
      indices(y),
      axes.map((a) => step[a]),
    );
    return [{ out: threads(y), inputs: { x: 0 }, body: `return x[${from}];` }];
  },
});

/**
 * Axes in another order: axis i of the result is axis `axes[i]` of x. `x.permute([2, 0, 1])`: [2, 3, 4] → [4, 2, 3]. The
 * values are copied, unlike in PyTorch.
 *
 * @throws ShapeError when `axes` does not name every axis once
 */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  expectWhole('permute', 'axes', axes);
  const order = axes.map((a) => normalizeAxis('permute', a, x.rank));
  if (order.length !== x.rank || new Set(order).size !== x.rank) {
    throw new ShapeError(`permute: expected each of the ${x.rank} axes of ${show(x.shape)} once, got ${show(axes)}.`);
  }
  return order.every((a, i) => a === i) ? unchanged(x) : permuteAxes(x, { axes: order });
}

/**
 * Swaps two axes, by default the last two: the transpose of a matrix, or of a batch of them. `x.transpose()`:
 * [2, 3, 4] → [2, 4, 3].
 *
 * @throws ShapeError when an axis does not exist
 */
export function transpose(x: Tensor, a = -2, b = -1): Tensor {
  const [i, j] = [normalizeAxis('transpose', a, x.rank), normalizeAxis('transpose', b, x.rank)];
  return permute(
    x,
    x.shape.map((_, k) => (k === i ? j : k === j ? i : k)),
  );
}

/** Runs an op of the last axis along another one. */
export function alongAxis(op: string, x: Tensor, axis: number, f: (x: Tensor) => Tensor): Tensor {
  const a = normalizeAxis(op, axis, x.rank);
  return a === x.rank - 1 ? f(x) : transpose(f(transpose(x, a, -1)), a, -1);
}

// ---- parts ---------------------------------------------------------------------------------------------------------

/** Primitive behind `slice`: sizes are final. */
const sliceBlock: Op<[x: Tensor, options: { starts: readonly number[]; sizes: Shape }]> = defineOp({
  name: 'slice',
  dtype: 'kept',
  shape: (_, { sizes }) => sizes,
  vjp: ({ g }, x, { starts, sizes }) => [
    () =>
      pad(
        g,
        starts,
        x.shape.map((d, i) => d - starts[i] - sizes[i]),
      ),
  ],
  kernel: (y, x, { starts }) => {
    const step = strides(x);
    const offset = starts.reduce((sum, s, i) => sum + s * step[i], 0);
    return [{ out: threads(y), inputs: { x: 0 }, body: `return x[${address(indices(y), step, offset)}];` }];
  },
});

/**
 * The block of x that begins at `starts` and has the shape `sizes`. `x.slice([1, 0], [2, -1])` is x[1:3, :] in PyTorch.
 *
 * @param sizes  −1 takes the rest of an axis
 * @throws ShapeError when the block is not inside x
 */
export function slice(x: Tensor, starts: readonly number[], sizes: Shape): Tensor {
  expectWhole('slice', 'starts', starts);
  expectWhole('slice', 'sizes', sizes);
  const full = sizes.map((n, i) => (n === -1 ? x.shape[i] - starts[i] : n));
  if (
    starts.length !== x.rank ||
    full.length !== x.rank ||
    starts.some((s, i) => s < 0 || full[i] < 0 || s + full[i] > x.shape[i])
  ) {
    throw new ShapeError(
      `slice: expected a block inside ${show(x.shape)}, got starts ${show(starts)} and sizes ${show(sizes)}.`,
    );
  }
  return sameShape(full, x.shape) ? unchanged(x) : sliceBlock(x, { starts: [...starts], sizes: full });
}

/**
 * `length` entries of one axis from `start` on. `x.narrow(1, 2, 3)` is x[:, 2:5] in PyTorch.
 *
 * @throws ShapeError when the axis does not exist or is too short
 */
export function narrow(x: Tensor, axis: number, start: number, length: number): Tensor {
  const a = normalizeAxis('narrow', axis, x.rank);
  return slice(
    x,
    x.shape.map((_, i) => (i === a ? start : 0)),
    x.shape.map((d, i) => (i === a ? length : d)),
  );
}

/**
 * Cuts an axis, the first by default, into `parts` pieces of equal length. PyTorch's `chunk`. `split(x, 3, -1)`:
 * [2, 12] → three of [2, 4].
 *
 * @throws ShapeError when the axis does not exist or does not divide
 */
export function split(x: Tensor, parts: number, axis = 0): Tensor[] {
  const a = normalizeAxis('split', axis, x.rank);
  const length = x.shape[a] / parts;
  if (!divides(parts, x.shape[a])) {
    throw new ShapeError(
      `split: expected axis ${axis} of ${show(x.shape)} to divide into ${parts} parts, got length ${x.shape[a]}.`,
    );
  }
  return Array.from({ length: parts }, (_, i) => narrow(x, a, i * length, length));
}

// ---- joining -------------------------------------------------------------------------------------------------------

/** Primitive behind `pad`. */
const padZeros: Op<[x: Tensor, options: { before: readonly number[]; after: readonly number[] }]> = defineOp({
  name: 'pad',
  dtype: 'kept',
  shape: (x, { before, after }) => x.map((d, i) => d + before[i] + after[i]),
  vjp: ({ g }, x, { before }) => [() => slice(g, before, x.shape)],
  kernel: (y, x, { before, after }) => {
    const step = strides(x);
    const index = indices(y);
    const offset = before.reduce((sum, b, i) => sum + b * step[i], 0);
    const inside = index.flatMap((e, i) => [
      ...(before[i] ? [`${e} >= ${before[i]}`] : []),
      ...(after[i] ? [`${e} < ${before[i] + x[i]}`] : []),
    ]);
    const body = `
      let v = 0.0;
      ${when(inside, `v = x[${address(index, step, -offset)}];`)}
      return v;`;
    return [{ out: threads(y), inputs: { x: 0 }, body }];
  },
});

/**
 * x with `before[i]` zeros before axis i and `after[i]` after it. `pad(x, [0, 1], [0, 1])`: [2, 3] → [2, 5].
 *
 * @throws ShapeError when a count is negative or there is not one per axis
 */
export function pad(x: Tensor, before: readonly number[], after: readonly number[]): Tensor {
  expectWhole('pad', 'counts before', before);
  expectWhole('pad', 'counts after', after);
  if (before.length !== x.rank || after.length !== x.rank || [...before, ...after].some((n) => n < 0)) {
    throw new ShapeError(
      `pad: expected ${x.rank} counts ≥ 0 on each side of ${show(x.shape)}, got ${show(before)} and ${show(after)}.`,
    );
  }
  return [...before, ...after].every((n) => n === 0)
    ? unchanged(x)
    : padZeros(x, { before: [...before], after: [...after] });
}

/** Primitive behind `concat`: as many tensors as one kernel may read. */
const join: Op<[...xs: Tensor[], options: { axis: number }]> = defineOp({
  name: 'concat',
  dtype: 'kept',
  shape: (...args) => {
    const { axis } = args.at(-1) as { axis: number };
    const shapes = args.slice(0, -1) as Shape[];
    return shapes[0].map((d, i) => (i === axis ? shapes.reduce((n, s) => n + s[i], 0) : d));
  },
  vjp: ({ g }, ...args) => {
    const { axis } = args.at(-1) as { axis: number };
    let start = 0;
    return (args.slice(0, -1) as Tensor[]).map((x) => {
      const from = start;
      start += x.shape[axis];
      return () => narrow(g, axis, from, x.shape[axis]);
    });
  },
  kernel: (y, ...args) => {
    const { axis } = args.at(-1) as { axis: number };
    const shapes = args.slice(0, -1) as Shape[];
    const index = indices(y);
    let end = 0;
    const parts = shapes.map((x, i) => {
      const step = strides(x);
      const read = `v = x${i}[${address(index, step, -end * step[axis])}];`;
      end += x[axis];
      return i === shapes.length - 1 ? `{ ${read} }` : `if (${index[axis]} < ${end}) { ${read} }`;
    });
    const inputs = Object.fromEntries(shapes.map((_, i) => [`x${i}`, i]));
    const body = `
      let v = 0.0;
      ${parts.join(' else ')}
      return v;`;
    return [{ out: threads(y), inputs, body }];
  },
});

/**
 * Joins tensors along an axis, the first by default. PyTorch's `cat`. `concat([x, y], 1)`: [2, 3], [2, 4] → [2, 7].
 *
 * @throws ShapeError when there is none, or when shapes differ outside the axis
 */
export function concat(xs: readonly Tensor[], axis = 0): Tensor {
  expectTensorList('concat', xs);
  if (xs.length === 0) throw new ShapeError('concat: expected at least one tensor, got none.');
  const a = normalizeAxis('concat', axis, xs[0].rank);
  for (const x of xs) {
    if (x.rank !== xs[0].rank || x.shape.some((d, i) => i !== a && d !== xs[0].shape[i])) {
      throw new ShapeError(
        `concat: expected shapes that agree outside axis ${axis}, got ${xs.map((t) => show(t.shape)).join(', ')}.`,
      );
    }
  }
  if (xs.length === 1) return unchanged(xs[0]);
  const groups = inKernelGroups(xs);
  if (groups.length === 1) return join(...xs, { axis: a });
  return concat(
    groups.map((group) => concat(group, a)),
    a,
  );
}

/**
 * Joins tensors of equal shape along a new axis, the first by default. `stack([x, y])`: two of [2, 3] → [2, 2, 3].
 *
 * @param axis  position of the new axis; negative ones count from the end of the result
 * @throws ShapeError when there is none, or when shapes differ
 */
export function stack(xs: readonly Tensor[], axis = 0): Tensor {
  expectTensorList('stack', xs);
  if (xs.length === 0) throw new ShapeError('stack: expected at least one tensor, got none.');
  if (xs.some((x) => !sameShape(x.shape, xs[0].shape)))
    throw new ShapeError(`stack: expected tensors of one shape, got ${xs.map((x) => show(x.shape)).join(', ')}.`);
  return concat(
    xs.map((x) => unsqueeze(x, axis)),
    axis,
  );
}

function expectTensorList(op: string, xs: readonly Tensor[]): void {
  if (!Array.isArray(xs)) throw new TypeError(`${op}: expected an array of tensors, got ${kindOf(xs)}.`);
  expectTensors(op, ...xs);
}
