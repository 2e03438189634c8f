/** Runs single routines of the cpu device on one thread, without the device: for tests of kernels. */
import assert from 'node:assert/strict';
import { SCRATCH_FLOATS } from '../../core/cpu/kernel.ts';
import { kernels, routines } from '../../core/cpu/kernels/index.ts';
import { buildModule, ConstantTable, supportsRelaxedMadd } from '../../core/cpu/module.ts';
import type { Cpu, CpuArg, CpuRef } from '../../core/cpu/routine.ts';
import type { MatmulPrecision } from '../../core/device.ts';

export interface Values {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}
export interface Harness {
  /** Runs an op and returns its values. Also checks that nothing was written before or past the result. */
  run(op: string, shape: readonly number[], ...args: (Values | number | object | null)[]): Float32Array;
}

const GUARD = 64; // floats of a known value before and after each result
const MARK = 12345.678;

/**
 * @param caches   values computed from weights are cached from the first use on
 * @param threads  shares per op, run one after the other: what a thread must not touch shows as a wrong value
 */
export function harness({
  threads = 1,
  fma = supportsRelaxedMadd(),
  caches = false,
  matmulPrecision = 'highest' as MatmulPrecision,
} = {}): Harness {
  const constants = new ConstantTable(256, 256);
  const { bytes } = buildModule(kernels, { fma, constants, shared: false });
  const memory = new WebAssembly.Memory({ initial: 600, maximum: 65536 });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e: { m: memory } });
  const compiled = exports as Readonly<Record<string, (...args: number[]) => void>>;
  const floats = new Float32Array(memory.buffer);
  constants.store(floats);
  const scratch = 8192;
  const start = scratch / 4 + SCRATCH_FLOATS;
  let top = start;
  const alloc = (n: number): number => {
    const at = top;
    top += (n + 4 + 15) & ~15;
    if (top > floats.length) throw new Error('harness: expected less than 37 MB of values');
    return at * 4;
  };
  const cpu: Cpu = {
    threads,
    matmulPrecision,
    parallel(kernel, { items, unit = 1 }, args) {
      const share = Math.ceil(items / unit / threads) * unit;
      for (let begin = 0; begin < items; begin += share) {
        floats.fill(NaN, scratch / 4, start); // scratch promises nothing
        compiled[kernel.name](begin, Math.min(items, begin + share), scratch, ...kernel.inOrder(args));
      }
    },
    alloc: (n) => {
      const at = alloc(n);
      floats.fill(NaN, at / 4, at / 4 + n);
      return at;
    },
    free() {},
    cached({ floats }, fill) {
      if (!caches) return undefined;
      const at = this.alloc(floats);
      fill(at);
      return at;
    },
  };
  return {
    run(op, shape, ...args) {
      top = start;
      const refs = args.map((a): CpuArg => {
        if (a === null || typeof a !== 'object' || !('data' in a)) return a as CpuArg;
        const { shape, data } = a as Values;
        const at = alloc(data.length);
        floats.set(data, at / 4);
        floats.fill(NaN, at / 4 + data.length, top); // padding is readable and means nothing
        return { at, shape };
      });
      const size = shape.reduce((n, d) => n * d, 1);
      const at = alloc(size + 2 * GUARD) + 4 * GUARD;
      floats.fill(MARK, at / 4 - GUARD, at / 4 + size + GUARD);
      const y: CpuRef = { at, shape };
      routines[op](cpu, y, ...refs);
      for (let i = 1; i <= GUARD; i++) {
        assert.equal(floats[at / 4 - i], Math.fround(MARK), `${op}: wrote ${i} floats before its result`);
        assert.equal(floats[at / 4 + size + i - 1], Math.fround(MARK), `${op}: wrote ${i} floats past its result`);
      }
      return floats.slice(at / 4, at / 4 + size);
    },
  };
}

/** Values in −1..1 from a seeded sequence. */
export function randomValues(seed: number) {
  let state = seed * 7919 + 1;
  const next = () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  };
  return (shape: readonly number[], map: (x: number, i: number) => number = (x) => x): Values => ({
    shape,
    data: Float32Array.from({ length: shape.reduce((n, d) => n * d, 1) }, (_, i) => map(next(), i)),
  });
}

/** Largest |got − want| / max(1, |want|); NaN and infinities must match exactly. */
export function worstError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  assert.equal(got.length, want.length);
  let worst = 0;
  for (let i = 0; i < want.length; i++) {
    const [x, y] = [got[i], want[i]];
    if (Object.is(x, y) || x === y) continue;
    const error = Math.abs(x - y) / Math.max(1, Math.abs(y));
    if (!(error <= worst)) worst = Number.isNaN(error) ? Infinity : error;
  }
  return worst;
}

export function assertClose(got: ArrayLike<number>, want: ArrayLike<number>, limit: number, what: string): void {
  const error = worstError(got, want);
  assert.ok(error <= limit, `${what}: expected an error of at most ${limit}, got ${error}`);
}
