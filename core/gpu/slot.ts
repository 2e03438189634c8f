/** Arrays of a gpu.js device, and the handles that tensors hold on them. */
import type { DeviceError } from '../errors.ts';
import { numel, type Shape } from '../shape.ts';
import { isResident, type Raw } from './gpujs.ts';

/** One array on the device, or what became of it. The queue fills it in; it goes when its last slot is freed. */
export interface Values {
  readonly length: number;
  raw?: Raw | undefined;
  error?: DeviceError;
  slots: number;
  /** Statistics worked out from this array alone, by what computed them; they go when it goes. */
  kept?: Map<string, Raw> | undefined;
  keptLength: number;
}

/** A handle: `length` values from place `from` of an array, which other slots may share. An op returns it at once. */
export interface Slot {
  /** What made it, for errors. */
  readonly op: string;
  readonly shape: Shape;
  readonly length: number;
  readonly values: Values;
  readonly from: number;
  freed: boolean;
}
export const isSlot = (x: unknown): x is Slot => typeof x === 'object' && x !== null && 'freed' in x;

/** A handle on part of an array, or on all of it. */
export function slotOn(values: Values, op: string, shape: Shape, from = 0): Slot {
  values.slots++;
  return { op, shape, length: numel(shape), values, from, freed: false };
}

/** An argument of a kernel: values, and where they begin if a run-time offset has to say so. */
export interface Window {
  readonly raw: Raw;
  readonly at?: number;
}
/** WebGPU and GL kernels read the whole array from an offset; a plain array has subarrays. */
export function windowOf({ values, from, length }: Slot, raw: Raw): Window {
  if (length === values.length) return { raw };
  return isResident(raw) ? { raw, at: from } : { raw: raw.subarray(from, from + length) };
}
