/** Routines: what computes an op on the cpu device by launching kernels. */
import type { Attributes, MatmulPrecision } from '../device.ts';
import type { Shape } from '../shape.ts';
import type { CacheKey } from './cache.ts';
import type { Kernel, Launch, Numbers, Params } from './kernel.ts';

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
  /** 'high': large products go through kernels/int16.ts. */
  readonly matmulPrecision: MatmulPrecision;
  /** Runs a kernel on all items, each thread on its range; returns when all are done. */
  parallel<P extends Params>(kernel: Kernel<P>, launch: Launch, args: Numbers<NoInfer<P>>): void;
  /** Temporary memory of a routine, in floats; returns a byte address. */
  alloc(floats: number): number;
  free(at: number, floats: number): void;
  /**
   * The address of values computed from tensors, from the cache. On a miss `fill` computes them to the address that it gets.
   *
   * @returns undefined where the values are not kept: at the first use with keepFrom = 2, or when the cache is full
   */
  cached(key: CacheKey, fill: (at: number) => void): number | undefined;
}

/** Computes an op into y from the op's arguments. */
export type Routine = (cpu: Cpu, y: CpuRef, ...args: CpuArg[]) => void;

/** What a file of kernels exports. */
export interface KernelFile {
  /** All kernels of the file. The functions that they call come along by themselves. */
  readonly kernels?: readonly Kernel[];
  /** By name of the op. */
  readonly routines?: Readonly<Record<string, Routine>>;
}

/** A tensor argument, for routines that know their op's signature. */
export const ref = (arg: CpuArg | undefined): CpuRef => arg as CpuRef;
/** The options of an op. */
export const options = <T extends Attributes>(arg: CpuArg | undefined): T => arg as T;
