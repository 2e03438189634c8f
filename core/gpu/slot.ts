/** Arrays of a gpu.js device, and the handles (slots) that tensors hold on them. */
import type { DeviceError } from '../errors.ts';
import { numel, type Shape } from '../shape.ts';
import { isResident, type Raw } from './gpujs.ts';

/** An array on the device. The queue fills in `raw` or `error`; the array is freed with its last slot. */
export interface Values {
  readonly length: number;
  raw?: Raw | undefined;
  error?: DeviceError;
  slots: number;
  /** Cached results that depend on this array alone, by key (see pass-cache.ts). They are freed with it. */
  cached?: Map<string, Raw> | undefined;
  cachedLength: number;
}

/** A handle: `length` values of an array from index `from` on. Other slots may share the array. */
export interface Slot {
  /** The op that made it, for error messages. */
  readonly op: string;
  readonly shape: Shape;
  readonly length: number;
  readonly values: Values;
  readonly from: number;
  freed: boolean;
}
export const isSlot = (x: unknown): x is Slot => typeof x === 'object' && x !== null && 'freed' in x;

/** A new handle on an array, or on part of it. */
export function slotOn(values: Values, op: string, shape: Shape, from = 0): Slot {
  values.slots++;
  return { op, shape, length: numel(shape), values, from, freed: false };
}

/** An argument of a kernel: an array, and the index where the values begin if the kernel needs it as an offset. */
export interface Window {
  readonly raw: Raw;
  readonly at?: number;
}
/** On WebGPU and GL a kernel reads a piece of an array through an offset; a plain array has subarrays. */
export function windowOf({ values, from, length }: Slot, raw: Raw): Window {
  if (length === values.length) return { raw };
  return isResident(raw) ? { raw, at: from } : { raw: raw.subarray(from, from + length) };
}
