/** The numbers of tensors as JavaScript arrays: what comes out, and a check of what goes in. */
import { DeviceError, kindOf } from './errors.ts';

/** Values of a tensor; float64 comes from the `reference` device only. */
export type TensorData = NumberArray & (Float32Array | Float64Array | Int32Array);
/** Methods of all of them for which TypeScript finds no common signature, or loses it in the result. */
interface NumberArray {
  map(f: (value: number, index: number) => number): TensorData;
  filter(f: (value: number, index: number) => unknown): TensorData;
  slice(start?: number, end?: number): TensorData;
  subarray(start?: number, end?: number): TensorData;
  reduce(f: (total: number, value: number, index: number) => number, initial?: number): number;
  reduce<T>(f: (total: T, value: number, index: number) => T, initial: T): T;
  reduceRight(f: (total: number, value: number, index: number) => number, initial?: number): number;
  reduceRight<T>(f: (total: T, value: number, index: number) => T, initial: T): T;
}

/** @throws TypeError unless values are numbers (or booleans, which count as 1 and 0) */
export function expectNumbers(where: string, values: ArrayLike<number>): void {
  if (ArrayBuffer.isView(values) && !(values instanceof BigInt64Array || values instanceof BigUint64Array)) return;
  const fail = (got: string): never => {
    throw new TypeError(`${where}: expected numbers, got ${got}.`);
  };
  if (typeof values !== 'object' || values === null || typeof values.length !== 'number') fail(kindOf(values));
  if (ArrayBuffer.isView(values)) fail(`${kindOf(values)}. Convert it: Float32Array.from(values, Number)`);
  for (let i = 0; i < values.length; i++) {
    const type = typeof values[i];
    if (type !== 'number' && type !== 'boolean') fail(`${kindOf(values[i])} at position ${i}`);
  }
}

/** @throws DeviceError unless values are ids: whole numbers within ±2²⁴ */
export function expectIdValues(where: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    const v = values[i];
    if (!Number.isInteger(v) || Math.abs(v) > 2 ** 24) {
      throw new DeviceError(`${where}: expected int32 ids as whole numbers within ±2^24, got ${v} at position ${i}.`);
    }
  }
}
