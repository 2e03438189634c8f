/**
 * Mean and deviation of rows, for layer norm and group norm.
 *
 * Two passes: m ≈ mean, then d = mean(x − m) and variance = mean((x − m)²) − d². The differences are nearly exact, so
 * this holds where the mean is far larger than the deviation. The mean is m + d.
 */
import { numel } from '../../shape.ts';
import type { Cpu, CpuRef } from '../routine.ts';
import { add, type Fn, f32, floatAt, type I32, i32, kernel, mul, type V128, v, wasmFunction } from './dsl.ts';
import { eachFourUnrolled, rowSum, type Step, UNROLL } from './rows.ts';

/** The moments of a row: byte offsets of m, d and 1 / √(variance + eps). */
export const MOMENT = { m: 0, d: 4, rstd: 8 };
/** Floats from the moments of one row to those of the next. */
const FLOATS = 4;
/** The moments of row i. */
export const momentsAt = (moments: I32, i: I32): I32 => add(moments, i32.shl(i, 4));

/** out = the moments of the n values at x. */
export const computeMoments = wasmFunction('computeMoments', { x: i32, n: i32, eps: f32, out: i32 }, (f, a) => {
  const { j } = f.ints('j');
  const { t, m } = f.vectors('t m');
  const [s, s2] = [rowSum(f, 's'), rowSum(f, 's2')];
  const { mean, d, rn } = f.floats('mean d rn');
  rn.set(f32.div(1, f32.fromInt(a.n)));
  s.clear();
  eachFourUnrolled(f, UNROLL, j, a.n, ({ index, load, live }) => s.add(index, live(load(a.x), v.const(0))));
  mean.set(f32.mul(s.total(), rn));
  m.set(v.splat(mean));
  s.clear();
  s2.clear();
  eachFourUnrolled(f, UNROLL, j, a.n, ({ index, load, live }: Step) => {
    t.set(v.sub(live(load(a.x), m), m));
    s.add(index, t);
    s2.addProduct(index, t, t);
  });
  d.set(f32.mul(s.total(), rn));
  const variance = f32.sub(f32.mul(s2.total(), rn), f32.mul(d, d));
  f.do(
    f32.store(a.out, mean, MOMENT.m),
    f32.store(a.out, d, MOMENT.d),
    f32.store(a.out, f32.div(1, f32.sqrt(f32.add(variance, a.eps))), MOMENT.rstd),
  );
});

/** Items: rows. */
const rowMoments = kernel('rowMoments', { x: i32, moments: i32, n: i32, eps: f32 }, (f, a) => {
  const { i } = f.ints('i');
  f.for(i, a.begin, a.end, 1, () => {
    f.call(computeMoments, { x: floatAt(a.x, mul(i, a.n)), n: a.n, eps: a.eps, out: momentsAt(a.moments, i) });
  });
});

export const kernels = [rowMoments];

/** Normalizes values of a row: xhat = (x − m) · rstd + shift with shift = −d · rstd. */
export function normalizer(f: Fn) {
  const { m, rstd, shift } = f.vectors('m rstd shift');
  return {
    m,
    rstd,
    shift,
    /** Reads the moments of a row. */
    load(moments: I32): void {
      m.set(v.loadSplat(moments, MOMENT.m));
      rstd.set(v.loadSplat(moments, MOMENT.rstd));
      shift.set(v.neg(v.mul(v.loadSplat(moments, MOMENT.d), rstd)));
    },
    xhat: (x: V128): V128 => f.madd(v.sub(x, m), rstd, shift),
  };
}

/** The cache key of the moments of the rows of x: they are computed once for layer norm and its gradients. */
export function momentsKey(x: CpuRef, eps: number) {
  const n = x.shape.at(-1)!;
  const floats = (FLOATS * numel(x.shape)) / n;
  return { tensors: [x.at], name: `moments ${n} ${eps}`, floats, keepFrom: 1 } as const;
}

/** Calls `use` with the address of the moments of the rows of x, cached or computed into temporary memory. */
export function withMoments(cpu: Cpu, x: CpuRef, eps: number, use: (moments: number) => void): void {
  const n = x.shape.at(-1)!;
  const size = numel(x.shape);
  const key = momentsKey(x, eps);
  const compute = (moments: number) =>
    cpu.parallel(rowMoments, { items: size / n, work: 4 * size }, { x: x.at, moments, n, eps });
  const cached = cpu.cached(key, compute);
  const moments = cached ?? cpu.alloc(key.floats);
  if (cached === undefined) compute(moments);
  use(moments);
  if (cached === undefined) cpu.free(moments, key.floats);
}
