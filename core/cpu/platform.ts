/** The environment of the cpu device: Node or a browser, with threads or without. Imports nothing statically. */

type NodeProcess = { getBuiltinModule?: (name: string) => unknown; version: string };
const node = (globalThis as { process?: NodeProcess }).process;

/** A module of Node, or undefined elsewhere (and before Node 20.16). */
export const builtin = <M>(name: string): M | undefined => node?.getBuiltinModule?.(name) as M | undefined;

/**
 * Sets V8 flags before the first kernel is compiled: only the optimizing compiler, and relaxed SIMD where it is off.
 */
export function setEngineFlags(): void {
  const v8 = builtin<typeof import('node:v8')>('node:v8');
  if (!v8) return;
  v8.setFlagsFromString('--no-liftoff');
  if (node!.version.startsWith('v20.')) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** True on x86 processors, which make the NaN of ∞ − ∞ negative; others make it positive. */
export function onX86(): boolean {
  const x = new Float32Array([Infinity]);
  x[0] -= x[0];
  return new Uint8Array(x.buffer)[3] === 0xff;
}

/** Threads that can share memory: the number of cores, or 1 without workers. */
export function availableThreads(): number {
  if (!canShare()) return 1;
  const os = builtin<typeof import('node:os')>('node:os');
  return os ? os.availableParallelism() : (globalThis.navigator?.hardwareConcurrency ?? 1);
}

/** Threads that a device may have: as many as the cores, and 64 on smaller machines, where more only wait for each other. */
export const mostThreads = (): number => Math.max(64, availableThreads());

/** True if there are workers and shared memory; a web page must be cross-origin isolated. */
export function canShare(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return builtin('node:worker_threads') !== undefined || (typeof Worker !== 'undefined' && typeof Blob !== 'undefined');
}
