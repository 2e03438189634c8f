/** Makes tensors from numbers. */
import type { Device } from './device.ts';
import { defaultDevice, expectDevice } from './devices.ts';
import { expectKnown, expectOption, kindOf, ShapeError } from './errors.ts';
import { expectRng, type Rng } from './random.ts';
import { checkShape, numel, type Shape, show } from './shape.ts';
import { type DType, Tensor } from './tensor.ts';
import { expectIdValues, expectNumbers } from './values.ts';

/** Where a new tensor lives, and what it holds. */
export interface TensorOptions {
  /** Default: 'float32', or 'int32' for an Int32Array. */
  dtype?: DType;
  /** Default: `defaultDevice()`. */
  device?: Device;
}
/** A number, or arrays of equal length, nested. */
export type NestedNumbers = number | readonly NestedNumbers[];

/**
 * A tensor from a number, a flat array or nested arrays.
 *
 *   tensor(3)                                  // [], a scalar
 *   tensor([[1, 2], [3, 4]])                   // [2, 2]
 *   tensor(new Float32Array(6), [2, 3])        // [2, 3]
 *   tensor([3, 1], [2], { dtype: 'int32' })    // [2], ids
 *
 * @param values  copied to the device; int32 takes whole numbers within ±2²⁴
 * @param shape   default: the shape of nested arrays, or one axis
 * @throws ShapeError when nested arrays differ in length, or the shape holds another number of values
 * @throws TypeError when a value is no number; OptionError for an unknown dtype or option
 * @throws DeviceError when a value is no int32 id
 */
export function tensor(values: ArrayLike<number> | NestedNumbers, shape?: Shape, options: TensorOptions = {}): Tensor {
  if (!(options instanceof Tensor)) expectKnown('tensor', options, ['dtype', 'device']);
  const { dtype = values instanceof Int32Array ? 'int32' : 'float32', device = defaultDevice() } = options;
  expectOption(dtype === 'float32' || dtype === 'int32', 'tensor, dtype', "'float32' or 'int32'", dtype);
  expectDevice('tensor', device);
  if (values instanceof Tensor)
    throw new TypeError('tensor: expected numbers, got a tensor. Use to(t, device) for a copy, or await t.data().');
  const nested = typeof values === 'number' || (Array.isArray(values) && Array.isArray(values[0]));
  const flat = (nested ? [values].flat(Infinity) : values) as ArrayLike<number>;
  if (!device.shapesOnly) expectNumbers('tensor', flat);
  const want = shape ?? (nested ? nestedShape(values as NestedNumbers) : [flat.length]);
  checkShape('tensor', want, device);
  const length = numel(want);
  if (flat.length !== length) {
    throw new ShapeError(`tensor: expected ${length} values for shape ${show(want)}, got ${flat.length}.`);
  }
  if (dtype === 'int32' && !device.shapesOnly) expectIdValues('tensor', flat);
  return new Tensor({ device, handle: device.upload(flat), length, views: 0 }, [...want], dtype);
}

/** Every value equal to `value`. */
export function full(shape: Shape, value: number, options?: TensorOptions): Tensor {
  if (typeof value !== 'number') throw new TypeError(`full: expected a number, got ${kindOf(value)}.`);
  const values = options?.dtype === 'int32' ? Float64Array : Float32Array; // ids are checked before they are rounded
  return filled(shape, (count) => new values(count).fill(value), options);
}
/** Zeros of a shape. */
export const zeros = (shape: Shape, options?: TensorOptions): Tensor => full(shape, 0, options);
/** Ones of a shape. */
export const ones = (shape: Shape, options?: TensorOptions): Tensor => full(shape, 1, options);
/** Zeros with the shape, dtype and device of `t`. */
export const zerosLike = (t: Tensor): Tensor => zeros(t.shape, t);
/** Ones with the shape, dtype and device of `t`. */
export const onesLike = (t: Tensor): Tensor => ones(t.shape, t);
/** The identity matrix, [n, n]. */
export const eye = (n: number, options?: TensorOptions): Tensor =>
  filled([n, n], (count) => Float32Array.from({ length: count }, (_, i) => (i % (n + 1) === 0 ? 1 : 0)), options);
/** 0, 1, … count−1 as int32, [count]. */
export function arange(count: number, options: TensorOptions = {}): Tensor {
  expectKnown('arange', options, ['dtype', 'device']); // NumPy's second argument is the end
  return filled([count], () => Int32Array.from({ length: count }, (_, i) => i), { dtype: 'int32', ...options });
}
/** Independent values of N(0, 1). @throws OptionError without a generator */
export function randn(shape: Shape, rng: Rng, options?: TensorOptions): Tensor {
  expectRng('randn', rng);
  return filled(shape, (count) => rng.normals(count), options);
}
/** Independent values, uniform in [low, high). @throws OptionError without a generator, or when the bounds are not finite or low > high */
export function uniform(shape: Shape, low: number, high: number, rng: Rng, options?: TensorOptions): Tensor {
  expectRng('uniform', rng);
  expectOption(
    Number.isFinite(high - low) && low <= high,
    'uniform',
    'finite bounds, low ≤ high',
    `${low} and ${high}`,
  );
  return filled(shape, (count) => rng.uniforms(count, low, high), options);
}

/** A copy on another device; gradients do not flow through it. */
export async function to(t: Tensor, device: Device): Promise<Tensor> {
  expectDevice('to', device);
  const values = await t.data();
  return tensor(values, t.shape, { dtype: t.dtype, device });
}

/** A tensor with the values that `make` returns; a device that keeps only shapes does not call it. */
function filled(shape: Shape, make: (count: number) => ArrayLike<number>, options: TensorOptions = {}): Tensor {
  const { device = defaultDevice() } = options;
  expectDevice('tensor', device);
  checkShape('tensor', shape, device);
  const length = numel(shape);
  return tensor(device.shapesOnly ? { length } : make(length), shape, options);
}

function nestedShape(values: NestedNumbers): number[] {
  if (!Array.isArray(values)) return [];
  const inner = values.map(nestedShape);
  if (inner.some((s) => show(s) !== show(inner[0]))) {
    throw new ShapeError(`tensor: expected rows of equal shape, got ${[...new Set(inner.map(show))].join(' and ')}.`);
  }
  return [values.length, ...(inner[0] ?? [])];
}
