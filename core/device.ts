/** The small interface that every device implements, and the table of devices that are open. */
import type { Formula } from './formula.ts';
import type { Shape } from './shape.ts';

/** Values on a device: a byte address on `cpu`, a texture or buffer on a GPU, an array on `reference`. */
export type Handle = unknown;
/** A tensor as a kernel sees it. */
export interface Ref {
  readonly handle: Handle;
  readonly shape: Shape;
}
/** Options that shape a kernel; they become literals in its source. */
export type Attributes = Readonly<Record<string, unknown>>;
/** A tensor, a run-time scalar, options, or an optional tensor that was left out. */
export type KernelArg = Ref | number | Attributes | null;

export const isRef = (x: KernelArg): x is Ref => x !== null && typeof x === 'object' && 'handle' in x;

/**
 * One launch of a gpu.js kernel. Most ops are one pass; a softmax is three (row maximum, row sum, result).
 * `body` is the inside of `function (…names) { … }` with sizes as literals and arrays read flat.
 */
export interface Pass {
  /** Later passes read the result under this name; the last pass is the op's result. */
  readonly name?: string;
  /** Threads as [x], [x, y] or [x, y, z], x fastest: the row-major values that the pass writes. */
  readonly out: readonly number[];
  /** Parameter name → index of an argument of the op, or the name of an earlier pass. */
  readonly inputs: Readonly<Record<string, number | string>>;
  readonly body: string;
  /**
   * The same for four neighboring cells at once, as an Array(4), where this.thread.x counts fours: what they share is
   * read once. Devices that gain by it run this one; out[0] is a multiple of 4.
   */
  readonly four?: string;
  /** Functions that the body calls: 'erf', 'tanh'. Each device brings its own best form. */
  readonly helpers?: readonly string[];
}

/** What a device runs: the passes for given shapes and, for elementwise ops, the formula they came from. */
export interface KernelCall {
  readonly op: string;
  readonly shape: Shape;
  readonly args: readonly KernelArg[];
  readonly passes: () => readonly Pass[];
  readonly formula?: Formula;
}

/**
 * Of matrix products, as in torch.set_float32_matmul_precision. 'highest': float32. 'high': operands of large products, other than
 * batches of them, rounded to 16 bits, which leaves 3 to 4 digits of a usual value; on x86, where that is 1.5 × as fast.
 * Convolutions and attention are float32 in any case.
 */
export const matmulPrecisions = ['highest', 'high'] as const;
export type MatmulPrecision = (typeof matmulPrecisions)[number];

export interface Device {
  /** The device that really runs: 'cpu', 'reference', 'webgpu', … */
  readonly name: string;
  /** True when `read` returns values and not a promise. */
  readonly synchronous: boolean;
  /** Worker threads besides reading: 1 where there are none. */
  readonly threads: number;
  /** How matrix products are computed; devices without it know one way, float32 or better. */
  readonly matmulPrecision?: MatmulPrecision;
  /** False once the device was closed or lost. */
  readonly usable?: boolean;
  upload(values: ArrayLike<number>): Handle;
  run(call: KernelCall): Handle;
  /**
   * Overwrites `targets` in one pass; formula i gives target i, reads `refs` and `scalars` by name, and sees the new
   * values of targets before it. Devices without it run one kernel per target and swap the handles.
   */
  update?(
    targets: readonly Ref[],
    names: readonly string[],
    formulas: readonly Formula[],
    refs: readonly Ref[],
    scalars: Readonly<Record<string, number>>,
  ): void;
  /**
   * Only where a launch costs more than the arithmetic of a small tensor: the values of `parts` one after another as
   * one array, in few launches, or none when `cut` made them from it in this order.
   */
  join?(parts: readonly Ref[]): Handle;
  /** Handles on the pieces of these shapes, one after another in `whole`; they share its memory, `whole` may be freed. */
  cut?(whole: Handle, shapes: readonly Shape[]): Handle[];
  read(handle: Handle, length: number): Float32Array | Float64Array | Promise<Float32Array>;
  free(handle: Handle, length: number): void;
  /** Resolves when everything queued so far has run. */
  sync(): Promise<void>;
  /** Releases workers, kernels and memory; tensors on the device become unusable. */
  close(): Promise<void>;
}
