/** What a kernel file of the cpu device is made of: WASM functions (`define`) and the routines that call them. */
import type { Attributes, MatmulPrecision } from '../device.ts';
import type { Shape } from '../shape.ts';
import type { KernelBuilder } from './kernel-builder.ts';

export type { KernelBuilder } from './kernel-builder.ts';

/** Scratch floats of each thread: the seven sums of a large product, or a packed 256 × 256 panel and scores of attention. */
export const SCRATCH_FLOATS = 160_000;

/** A tensor in the device's memory. Buffers start on 64 bytes; at least 16 readable bytes follow the last value. */
export interface CpuRef {
  /** Byte address. */
  readonly at: number;
  readonly shape: Shape;
}
export type CpuArg = CpuRef | number | Attributes | null;

/** What a routine sees of the device. */
export interface Cpu {
  readonly threads: number;
  /** True where madd is one fused instruction. */
  readonly fma: boolean;
  /** 'high': large products go through kernels/int16.ts. */
  readonly matmulPrecision: MatmulPrecision;
  /**
   * Cuts items 0..items−1 into one contiguous range per thread and calls the WASM function `kernel(begin, end, scratch,
   * ...args)` on each; returns when all are done.
   *
   * @param work  estimated scalar operations in all; small work stays on the calling thread
   * @param unit  ranges begin at multiples of this
   */
  parallel(kernel: string, items: number, work: number, args: readonly number[], unit?: number): void;
  /** Temporary memory of a routine, in floats; returns a byte address. */
  alloc(floats: number): number;
  free(at: number, floats: number): void;
  /**
   * Memory that `make` fills from the values of the tensors at `sources`, kept until one of them changes. Undefined where it
   * is not kept: at a first use, if the second was asked for, or for want of memory.
   *
   * @param name     tells apart what is kept for the same tensors
   * @param fromUse  1 to keep it at once, 2 to see first whether the values are used again
   */
  derived(
    sources: readonly number[],
    name: string,
    floats: number,
    make: (at: number) => void,
    fromUse: 1 | 2,
  ): number | undefined;
}

/** Computes an op into y from the op's arguments. */
export type Routine = (cpu: Cpu, y: CpuRef, ...args: CpuArg[]) => void;

/** A file of kernels. */
export interface KernelFile {
  readonly routines: Readonly<Record<string, Routine>>;
  define(kernels: KernelBuilder): void;
}

/** The tensor arguments of an op in order, for routines that know their op's signature. */
export const ref = (arg: CpuArg | undefined): CpuRef => arg as CpuRef;
/** The options of an op. */
export const options = <T extends Attributes>(arg: CpuArg | undefined): T => arg as T;
