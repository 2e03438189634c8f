/** Types of the part of gpu.js that the devices use, and loading it. */

import { numel } from '../shape.ts';

/** A gpu.js mode; 'cpu' is gpu.js's own JavaScript path, our device 'gpujs-cpu'. */
export type Mode = 'webgpu' | 'webgl2' | 'webgl' | 'headlessgl' | 'webasm' | 'cpu';

/** A kernel's result on webasm and cpu: nested rows of numbers. */
export type Rows = Float32Array | readonly Rows[];
/** A kernel's result on other modes: a texture or buffer that stays on the device. */
export interface Resident {
  /** Threads of the kernel that made it. */
  output: readonly number[];
  /** Values per thread: 4 if the kernel returned an Array(4). On WebGPU only. */
  componentCount?: number;
  toArray(): Rows | Promise<Rows>;
  delete(): void;
}
export type Raw = Resident | Float32Array;
export const isResident = (raw: Raw): raw is Resident => !(raw instanceof Float32Array);

/** Number of values. */
export const lengthOf = (raw: Raw): number =>
  isResident(raw) ? numel(raw.output) * (raw.componentCount ?? 1) : raw.length;

/** A compiled kernel. gpu.js replaces `kernel` when it falls back to another mode. */
export interface BuiltKernel {
  (...args: (Raw | number)[]): Resident | Rows | Promise<Resident | Rows>;
  readonly kernel: { readonly constructor: { readonly mode: string }; outputBuffer?: SharedBuffer | null };
  readonly fallbackReason?: string;
  destroy(): void;
}
/** A WebGPU buffer and gpu.js's reference count. */
export interface SharedBuffer {
  _refs: number;
  destroy(): void;
}

export interface GpuJs {
  createKernel(source: string, settings: object): BuiltKernel;
  /** The kernel class of the chosen mode. */
  readonly Kernel: unknown;
  readonly context: WebGL2RenderingContext | null;
  destroy(): Promise<void>;
}
/** The WebGPU device, which all of gpu.js shares. */
export interface WebGpuContext {
  readonly device: {
    readonly limits: Readonly<Record<string, number>>;
    readonly lost: Promise<{ reason: string; message: string }>;
    readonly queue: { onSubmittedWorkDone(): Promise<unknown> };
    onuncapturederror: ((event: { error: Error }) => void) | null;
    pushErrorScope(filter: 'out-of-memory' | 'validation' | 'internal'): void;
    popErrorScope(): Promise<Error | null>;
    destroy(): void;
  };
}
export interface GpuJsModule {
  GPU: {
    new (settings: { mode: Mode }): GpuJs;
    readonly isWebGL2Supported: boolean;
    readonly isWebGLSupported: boolean;
    readonly isHeadlessGLSupported: boolean;
    readonly isWebAssemblySupported: boolean;
  };
  WebGPUContext: { acquire(): Promise<WebGpuContext>; destroy(): Promise<void> };
}

/** Loads gpu.js. It is large, so nothing imports it earlier. */
export async function loadGpuJs(): Promise<GpuJsModule> {
  const loaded = (await import('gpu.js')) as unknown as GpuJsModule & { default?: GpuJsModule };
  return loaded.default ?? loaded;
}

/** Copies nested rows into one flat array. */
export function flatten(rows: Rows, length: number): Float32Array {
  if (rows instanceof Float32Array && rows.length === length) return rows;
  const out = new Float32Array(length);
  let at = 0;
  const copy = (r: Rows | ArrayLike<number>): void => {
    if (ArrayBuffer.isView(r) || typeof r[0] === 'number') {
      out.set(r as ArrayLike<number>, at);
      at += r.length;
    } else for (const row of r as readonly Rows[]) copy(row);
  };
  copy(rows);
  return out;
}
