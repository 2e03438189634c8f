/**
 * Ids: whole numbers that pick rows, entries or classes. Every op that takes them checks them here, and all devices agree
 * on ids that are out of range:
 *
 *   where values can be read without waiting (`cpu`, `reference`)   a ShapeError names the id, its place and the range
 *   elsewhere (`webgpu`, `webasm`, …)                               such an id picks nothing: it reads 0 and adds nothing
 */
import { DeviceError, ShapeError } from '../errors.ts';
import { show, strides } from '../shape.ts';
import { Tensor } from '../tensor.ts';

/** Largest id, and with it the longest axis that has ids: kernels hold them as float32. */
const MOST = 2 ** 24;

/** @throws TypeError when ids are no int32 tensor */
export function expectIds(op: string, ids: Tensor): void {
  if (ids instanceof Tensor && ids.dtype === 'int32') return;
  const got = ids instanceof Tensor ? ids.dtype : Array.isArray(ids) ? 'an array' : typeof ids;
  throw new TypeError(
    `${op}: expected int32 ids, got ${got}. Make them with tensor(values, shape, { dtype: 'int32' }).`,
  );
}

/**
 * Checks the type of ids and, where they can be read at once, their range.
 *
 * @param from     what they pick from, for messages: 'table [3, 1]'
 * @param ignored  an id that may be out of range
 * @throws TypeError when ids are no int32 tensor; ShapeError when one is outside of 0..count−1
 */
export function checkIds(op: string, ids: Tensor, count: number, from: string, ignored?: number): void {
  expectIds(op, ids);
  const { device, storage, size, shape } = ids;
  if (!device.synchronous || ids.disposed) return; // a disposed one is the op's to report
  const values = device.read(storage.handle, size) as Float32Array;
  for (let i = 0; i < size; i++) {
    const id = values[i];
    if ((id >= 0 && id < count) || id === ignored) continue;
    const place = strides(shape).map((step, axis) => Math.floor(i / step) % shape[axis]);
    const but = ignored === undefined ? '' : `, or ${ignored} (ignoreIndex)`;
    throw new ShapeError(
      `${op}: expected ids in 0..${count - 1} of ${from}${but}, got ${id} at ${show(place)} of ids ${show(shape)}.`,
    );
  }
}

/** Checks that the positions along an axis can be ids. @throws DeviceError when it has more than 2²⁴ */
export function checkPositions(op: string, count: number): void {
  if (count <= MOST) return;
  throw new DeviceError(
    `${op}: expected at most 2^24 positions, which all devices hold exactly, got ${count}. Split the axis.`,
  );
}
