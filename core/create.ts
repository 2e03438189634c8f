/** Making tensors from numbers. */
import type { Device } from './device.ts';
import { defaultDevice } from './devices.ts';
import { DeviceError, ShapeError } from './errors.ts';
import type { Rng } from './random.ts';
import { numel, type Shape, show } from './shape.ts';
import { type DType, Tensor } from './tensor.ts';

export interface TensorOptions {
  dtype?: DType;
  device?: Device;
}
type Nested = number | readonly Nested[];

/**
 * A tensor from an array, nested arrays (whose shape is then read off) or a number.
 *
 *   tensor([[1, 2], [3, 4]])      tensor(new Float32Array(6), [2, 3])      tensor([3, 1], [2], { dtype: 'int32' })
 */
export function tensor(values: ArrayLike<number> | Nested, shape?: Shape, options: TensorOptions = {}): Tensor {
  const { dtype = values instanceof Int32Array ? 'int32' : 'float32', device = defaultDevice() } = options;
  const nested = typeof values === 'number' || (Array.isArray(values) && Array.isArray(values[0]));
  const flat = (nested ? [values].flat(Infinity) : values) as ArrayLike<number>;
  const want = shape ?? (nested ? nestedShape(values as Nested) : [flat.length]);
  if (want.some((d) => !Number.isInteger(d) || d < 0)) {
    throw new ShapeError(`tensor: expected a shape of whole numbers ≥ 0, got ${show(want)}.`);
  }
  if (flat.length !== numel(want)) {
    throw new ShapeError(`tensor: expected ${numel(want)} values for shape ${show(want)}, got ${flat.length}.`);
  }
  if (dtype === 'int32') checkIds(flat);
  return new Tensor({ device, handle: device.upload(flat), length: flat.length, views: 0 }, want, dtype);
}

export const full = (shape: Shape, value: number, options: TensorOptions = {}): Tensor =>
  tensor(new Float32Array(numel(shape)).fill(value), shape, options);
export const zeros = (shape: Shape, options?: TensorOptions): Tensor => full(shape, 0, options);
export const ones = (shape: Shape, options?: TensorOptions): Tensor => full(shape, 1, options);
/** 0, 1, … count−1 as ids. */
export const arange = (count: number, options: TensorOptions = {}): Tensor =>
  tensor(
    Int32Array.from({ length: count }, (_, i) => i),
    [count],
    { dtype: 'int32', ...options },
  );
/** Independent N(0, 1) values. */
export const randn = (shape: Shape, rng: Rng, options?: TensorOptions): Tensor =>
  tensor(rng.normals(numel(shape)), shape, options);
/** Independent values, uniform in [low, high). */
export const uniform = (shape: Shape, low: number, high: number, rng: Rng, options?: TensorOptions): Tensor =>
  tensor(rng.uniforms(numel(shape), low, high), shape, options);

/** A copy on another device. */
export async function to(t: Tensor, device: Device): Promise<Tensor> {
  const values = await t.data();
  return tensor(values, t.shape, { dtype: t.dtype, device });
}

function nestedShape(values: Nested): number[] {
  if (typeof values === 'number') return [];
  const inner = values.map(nestedShape);
  if (inner.some((s) => show(s) !== show(inner[0]))) {
    throw new ShapeError(`tensor: expected rows of equal shape, got ${[...new Set(inner.map(show))].join(' and ')}.`);
  }
  return [values.length, ...(inner[0] ?? [])];
}

function checkIds(values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (!Number.isInteger(v) || Math.abs(v) > 2 ** 24) {
      throw new DeviceError(`tensor: expected int32 ids as whole numbers within ±2^24, got ${v} at position ${i}.`);
    }
  }
}
