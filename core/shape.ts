/** Shapes: axis lengths, outermost first, `[]` for a scalar. Values are stored in row-major order. */
import { DeviceError, kindOf, ShapeError } from './errors.ts';

/** Axis lengths, outermost first; `[]` for a scalar. */
export type Shape = readonly number[];

/** Number of values in a tensor of this shape. */
export const numel = (shape: Shape): number => shape.reduce((n, d) => n * d, 1);
/** A shape as text: '[2, 3]'. */
export const show = (shape: Shape): string => `[${shape.join(', ')}]`;
/** True when both shapes have the same axes. */
export const sameShape = (a: Shape, b: Shape): boolean => a.length === b.length && a.every((d, i) => d === b[i]);

/** True when n splits into `parts` equal whole parts. */
export const divides = (parts: number, n: number): boolean => Number.isInteger(parts) && parts >= 1 && n % parts === 0;

/** Most values of a tensor: 4 GiB as float32. */
const MOST_VALUES = 2 ** 30;

/**
 * Checks the shape of a new tensor.
 *
 * @throws ShapeError when it is no list of whole numbers ≥ 0; DeviceError when no device can hold so many values
 */
export function checkShape(op: string, shape: Shape, { shapesOnly }: { readonly shapesOnly?: boolean }): void {
  if (!Array.isArray(shape)) {
    const got = typeof shape === 'number' ? shape : kindOf(shape);
    throw new ShapeError(`${op}: expected a shape such as [2, 3], got ${got}.`);
  }
  let count = 1;
  for (const d of shape) {
    if (!Number.isInteger(d) || d < 0)
      throw new ShapeError(`${op}: expected a shape of whole numbers ≥ 0, got ${show(shape)}.`);
    count *= d;
  }
  if (count > MOST_VALUES && !shapesOnly)
    throw new DeviceError(`${op}: expected at most ${MOST_VALUES} values (4 GiB), got ${count} for ${show(shape)}.`);
}

/** @throws ShapeError unless `list` is an array of whole numbers, such as axes or lengths */
export function expectWhole(op: string, what: string, list: readonly number[]): void {
  if (Array.isArray(list) && list.every((n) => Number.isInteger(n))) return;
  const got = Array.isArray(list) ? show(list) : typeof list === 'number' ? list : kindOf(list);
  throw new ShapeError(`${op}: expected ${what} as an array of whole numbers, got ${got}.`);
}

/** Distance in memory between neighbors along each axis, counted in values. */
export function strides(shape: Shape): number[] {
  const out = new Array<number>(shape.length);
  let step = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    out[i] = step;
    step *= shape[i];
  }
  return out;
}

/**
 * An axis as 0..rank−1. Negative axes count from the end, as in PyTorch.
 *
 * @throws ShapeError naming `op` when there is no such axis
 */
export function normalizeAxis(op: string, axis: number, rank: number): number {
  const positive = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || positive < 0 || positive >= rank) {
    if (rank === 0) throw new ShapeError(`${op}: expected a tensor with axes, got a scalar, [], and axis ${axis}.`);
    throw new ShapeError(`${op}: expected an axis in ${-rank}..${rank - 1} for a tensor of rank ${rank}, got ${axis}.`);
  }
  return positive;
}

/**
 * The shape that a and b broadcast to, by NumPy's rules: shapes are aligned at the right, and axes of length 1 stretch.
 *
 * @throws ShapeError naming `op` when they do not broadcast
 */
export function broadcastShapes(op: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const da = a[a.length - rank + i] ?? 1;
    const db = b[b.length - rank + i] ?? 1;
    if (da !== db && da !== 1 && db !== 1) {
      throw new ShapeError(
        `${op}: expected shapes that broadcast, got a ${show(a)} and b ${show(b)}: axis ${i - rank} is ${da} in one and ` +
          `${db} in the other. Axes must be equal or 1; reshape one side or insert an axis of length 1.`,
      );
    }
    return da === 1 ? db : da;
  });
}
