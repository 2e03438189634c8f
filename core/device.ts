/** The small interface that every device implements. */
import type { Formula } from './formula.ts';
import type { Shape } from './shape.ts';

/** Values on a device: a byte address on `cpu`, a texture or buffer on a GPU, an array on `reference`. */
export type Handle = unknown;
/** A tensor as a kernel sees it: values in row-major order, and a shape. */
export interface Ref {
  readonly handle: Handle;
  readonly shape: Shape;
}
/** Options of an op (`{ stride, padding }`). They become literals in its kernel's source. */
export type Attributes = Readonly<Record<string, unknown>>;
/** A tensor, a run-time number, options, or null for an optional tensor that was left out. */
export type KernelArg = Ref | number | Attributes | null;

/** True when a kernel's argument is a tensor. */
export const isRef = (x: KernelArg): x is Ref => x !== null && typeof x === 'object' && 'handle' in x;

/**
 * One launch of a gpu.js kernel. Most ops are one pass; a softmax is three (maximum of each row, sum of its exponentials,
 * quotient). `body` is the inside of `function (…names) { … }`, with sizes as literals and arrays read flat.
 */
export interface Pass {
  /** Later passes read the result under this name. The last pass needs none: it gives the op's result. */
  readonly name?: string;
  /** Threads as [x], [x, y] or [x, y, z]: the values that the pass writes in row-major order, x fastest. */
  readonly out: readonly number[];
  /** For each parameter the index of an argument of the op, or the name of an earlier pass. */
  readonly inputs: Readonly<Record<string, number | string>>;
  /** Returns the value of one thread, `this.thread.x`, `.y`, `.z`, in the JavaScript that gpu.js compiles. */
  readonly body: string;
  /**
   * A body for four neighboring cells at once, which reads what they share only once: returns an Array(4), and
   * this.thread.x counts fours. For devices that gain from it; out[0] must be a multiple of 4.
   */
  readonly four?: string;
  /** Functions that the body calls: 'erf', 'tanh', 'log', 'pow'. Each device brings its own best version. */
  readonly helpers?: readonly string[];
}

/** One run of an op: its passes for the given shapes and, for elementwise ops, the formula behind them. */
export interface KernelCall {
  readonly op: string;
  /** Shape of the result. */
  readonly shape: Shape;
  readonly args: readonly KernelArg[];
  /** The op as gpu.js passes, made when asked for. */
  readonly passes: () => readonly Pass[];
  /** The scalar formula of an elementwise op, whose parameters are `args` in order. */
  readonly formula?: Formula;
}

/**
 * Precision of matrix products, as in torch.set_float32_matmul_precision. 'highest': float32. 'high': operands of large,
 * unbatched products are rounded to 16 bits, which leaves 3 to 4 digits of a typical value; only on x86, where it is 1.5
 * times as fast. Convolutions and attention always use float32.
 */
export const matmulPrecisions = ['highest', 'high'] as const;
/** 'highest' or 'high', see `matmulPrecisions`. */
export type MatmulPrecision = (typeof matmulPrecisions)[number];

/**
 * Stores values and runs kernels. Open one with `openDevice`. To write one, implement these members and call
 * `registerDevice`; `runPasses` runs any op in plain JavaScript.
 */
export interface Device {
  /** The device that really runs: 'cpu', 'reference', 'webgpu', … */
  readonly name: string;
  /** True when `read` returns values, false when it returns a promise. */
  readonly synchronous: boolean;
  /** Threads that compute. */
  readonly threads: number;
  /** True when the device keeps shapes and no values (`meta`), so that values need not be made for it. */
  readonly shapesOnly?: boolean;
  /** Precision of matrix products, where there is a choice. Default: float32 or better. */
  readonly matmulPrecision?: MatmulPrecision;
  /** Bytes that it can hold at most, where that is known. */
  readonly capacity?: number;
  /** False once the device was closed or lost. */
  readonly usable?: boolean;
  /** Copies values to the device, as float32 or better. */
  upload(values: ArrayLike<number>): Handle;
  /** Runs an op and returns a handle on its result, which may still be computed. */
  run(call: KernelCall): Handle;
  /**
   * Overwrites `targets` in one pass. Formula i gives target i; it reads `refs` and `scalars` by name, and sees the new
   * values of the targets before it. Without this method, an update runs one kernel per target and swaps the handles.
   */
  update?(
    targets: readonly Ref[],
    names: readonly string[],
    formulas: readonly Formula[],
    refs: readonly Ref[],
    scalars: Readonly<Record<string, number>>,
  ): void;
  /**
   * Packs the values of `parts`, one after another, into one array, in few launches; in none when `unpack` made the parts
   * from one array, in this order. Only for devices where a launch costs more than the arithmetic of a small tensor.
   */
  pack?(parts: readonly Ref[]): Handle;
  /** Handles on consecutive pieces of `whole`, of these shapes. They share its memory; `whole` itself may be freed. */
  unpack?(whole: Handle, shapes: readonly Shape[]): Handle[];
  /** A copy of the values behind a handle. */
  read(handle: Handle, length: number): Float32Array | Float64Array | Promise<Float32Array | Float64Array>;
  /** Releases the values behind a handle. */
  free(handle: Handle, length: number): void;
  /** Resolves when everything queued so far has run. */
  sync(): Promise<void>;
  /** Releases workers, kernels and memory. Tensors on the device become unusable. */
  close(): Promise<void>;
}
