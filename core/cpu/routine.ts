/** Routines: what computes an op on the cpu device by launching kernels. */
import type { Attributes, MatmulPrecision } from '../device.ts';
import type { Shape } from '../shape.ts';
import type { CacheKey } from './cache.ts';
import type { Params } from './function.ts';
import type { Kernel, Launch, Numbers } from './kernel.ts';

/** A tensor in the device's memory. Buffers start on 64 bytes; at least 16 readable bytes follow the last value. */
export interface CpuRef {
  /** Byte address. */
  readonly at: number;
  readonly shape: Shape;
}
export type CpuArg = CpuRef | number | Attributes | null;

/** The part of the device that routines use. */
export interface Cpu {
  readonly threads: number;
  /** 'high': large products go through kernels/int16.ts. */
  readonly matmulPrecision: MatmulPrecision;
  /** Runs a kernel on all items, each thread on its range; returns when all are done. */
  parallel<P extends Params>(kernel: Kernel<P>, launch: Launch, args: Numbers<NoInfer<P>>): void;
  /** Temporary memory of a routine, in floats; returns a byte address. */
  alloc(floats: number): number;
  free(at: number, floats: number): void;
  /**
   * Returns the address of cached values. On a miss, calls `fill` to compute them into new memory and keeps them.
   *
   * @returns undefined, without a call of `fill`, on the first use with keepFrom = 2, or when the cache is full
   */
  cached(key: CacheKey, fill: (at: number) => void): number | undefined;
}

/** Computes an op into y from the op's arguments. */
export type Routine = (cpu: Cpu, y: CpuRef, ...args: CpuArg[]) => void;

/** The exports of a file of kernels. */
export interface KernelFile {
  /** All kernels of the file. The functions that they call need not be listed. */
  readonly kernels?: readonly Kernel[];
  /** By name of the op. */
  readonly routines?: Readonly<Record<string, Routine>>;
}

/** A tensor argument, for routines that know their op's signature. */
export const ref = (arg: CpuArg | undefined): CpuRef => arg as CpuRef;
/** The options of an op. */
export const options = <T extends Attributes>(arg: CpuArg | undefined): T => arg as T;
