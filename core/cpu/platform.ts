/** What the cpu device asks of its surroundings: Node or a browser, threads or none. Nothing is imported statically. */

type NodeProcess = { getBuiltinModule?: (name: string) => unknown; version: string };
const node = (globalThis as { process?: NodeProcess }).process;

/** A module of Node, or undefined elsewhere (and before Node 20.16). */
export const builtin = <M>(name: string): M | undefined => node?.getBuiltinModule?.(name) as M | undefined;

/** V8 flags, before the first kernel is compiled: the optimizing compiler at once, and relaxed SIMD where it is off. */
export function setEngineFlags(): void {
  const v8 = builtin<typeof import('node:v8')>('node:v8');
  if (!v8) return;
  v8.setFlagsFromString('--no-liftoff');
  if (node!.version.startsWith('v20.')) v8.setFlagsFromString('--experimental-wasm-relaxed-simd');
}

/** Told by the NaN of ∞ − ∞, which x86 processors make negative and others positive. */
export function onX86(): boolean {
  const x = new Float32Array([Infinity]);
  x[0] -= x[0];
  return new Uint8Array(x.buffer)[3] === 0xff;
}

/** Threads that memory can be shared with: the machine's cores, or 1 where there are no workers. */
export function availableThreads(): number {
  if (!canShare()) return 1;
  const os = builtin<typeof import('node:os')>('node:os');
  return os ? os.availableParallelism() : (globalThis.navigator?.hardwareConcurrency ?? 1);
}

/** True where workers and shared memory are there; a web page must be cross-origin isolated for it. */
export function canShare(): boolean {
  if (typeof SharedArrayBuffer === 'undefined') return false;
  return builtin('node:worker_threads') !== undefined || (typeof Worker !== 'undefined' && typeof Blob !== 'undefined');
}
