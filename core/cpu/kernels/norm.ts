/**
 * The mean and deviation of rows, and layer norm: y = xhat · gain + bias with xhat = (x − mean) / √(variance + eps).
 *
 * Statistics take two passes: m ≈ mean, then d = mean(x − m) and variance = mean((x − m)²) − d². The differences are
 * nearly exact, so this holds when the mean is far above the deviation; mean = m + d. They are kept for the gradients.
 *
 *   dx = (u − mean(u) − xhat · mean(u · xhat)) / √(variance + eps),   u = g · gain
 *
 * The sums for the gradients of gain and bias come along with dx, while x and g are in cache, and are kept until asked for.
 */
import { numel } from '../../shape.ts';
import { type F32, f32, type I32, i32, type V128, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { fillFloats } from './copy.ts';
import { eachFour, floats, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';
import { copyValues, reduceParts } from './parts.ts';

const at = i32.add;
const c = i32.const;
/** Where `moments` leaves m, d and 1/√(variance + eps), 16 bytes for each row. */
export const M = 0;
export const DELTA = 4;
export const RSTD = 8;

/** xhat from what `moments` found: (x − m) · rstd − d · rstd. */
export function standardizer(k: KernelBuilder, L: Locals) {
  const { m, rstd, shift } = vectors(L, 'm rstd shift');
  return {
    m,
    rstd,
    shift,
    load(moments: I32): void {
      m.set(v.loadSplat(moments, M));
      rstd.set(v.loadSplat(moments, RSTD));
      shift.set(v.neg(v.mul(v.loadSplat(moments, DELTA), rstd)));
    },
    xhat: (x: V128): V128 => k.madd(v.sub(x, m), rstd, shift),
  };
}

export function define(k: KernelBuilder): void {
  k.def('moments', 'x n eps:f32 out', (f, a, L) => {
    const { j } = ints(L, 'j');
    const { t, m } = vectors(L, 't m');
    const [s, s2] = [rowSum(k, L, 's'), rowSum(k, L, 's2')];
    const { mean, d, rn } = floats(L, 'mean d rn');
    rn.set(f32.div(f32.const(1), f32.fromInt(a.n)));
    s.clear();
    eachFour(f, L, j, a.n, ({ turn, load, live }) => s.add(turn, live(load(a.x), v.const(0))), TURNS);
    mean.set(f32.mul(s.total(), rn));
    m.set(v.splat(mean));
    s.clear();
    s2.clear();
    const term = ({ turn, load, live }: Step) => {
      t.set(v.sub(live(load(a.x), m), m));
      s.add(turn, t);
      s2.addProduct(turn, t, t);
    };
    eachFour(f, L, j, a.n, term, TURNS);
    d.set(f32.mul(s.total(), rn));
    const variance: F32 = f32.sub(f32.mul(s2.total(), rn), f32.mul(d, d));
    f.do(
      f32.store(a.out, mean, M),
      f32.store(a.out, d, DELTA),
      f32.store(a.out, f32.div(f32.const(1), f32.sqrt(f32.add(variance, a.eps))), RSTD),
    );
  });

  /** The moments of row i. */
  const ofRow = (moments: I32, i: I32) => at(moments, i32.shl(i, c(4)));
  k.def('row_moments', 'begin end scratch x moments n eps:f32', (f, a, L) => {
    const { i } = ints(L, 'i');
    f.for(i, a.begin, a.end, c(1), () => {
      f.do(k.call('moments', at(a.x, i32.shl(i32.mul(i, a.n), c(2))), a.n, a.eps, ofRow(a.moments, i)));
    });
  });
  // moments: where they are kept, or 0
  k.def('layerNorm', 'begin end scratch x gain bias y moments n eps:f32', (f, a, L) => {
    const { i, j, step, own } = ints(L, 'i j step own');
    const { t } = vectors(L, 't');
    const standard = standardizer(k, L);
    step.set(i32.shl(a.n, c(2)));
    for (const p of [a.x, a.y]) p.set(at(p, i32.mul(a.begin, step)));
    f.for(i, a.begin, a.end, c(1), () => {
      own.set(i32.select(ofRow(a.moments, i), a.scratch, a.moments));
      f.do(k.call('moments', a.x, a.n, a.eps, own));
      standard.load(own);
      const result = ({ load, store }: Step) => {
        t.set(standard.xhat(load(a.x)));
        t.set(k.madd(t, load(a.gain), load(a.bias)));
        store(a.y, t);
      };
      eachFour(f, L, j, a.n, result, TURNS);
      for (const p of [a.x, a.y]) p.set(at(p, step));
    });
  });
  // Two passes over a row, with t = x − m: the sums of u and u t; then dx = u / std + A t + B. Two rows at once would not leave
  // enough registers.
  // items: parts of `part` rows each; the first pass also leaves sums[p][2][n], Σ g · xhat and Σ g over part p
  k.def('layerNormGrad', 'begin end scratch x gain g y sums rows part moments n', (f, a, L) => {
    const { p, i, j, to, step, ofGain, ofBias } = ints(L, 'p i j to step ofGain ofBias');
    const { t, g, u, A, B, mean, meanUx } = vectors(L, 't g u A B mean meanUx');
    const { rn } = floats(L, 'rn');
    const standard = standardizer(k, L);
    const { m, rstd, shift } = standard;
    const [sumU, sumUt] = [rowSum(k, L, 'u', 2), rowSum(k, L, 'ut', 2)];
    step.set(i32.shl(a.n, c(2)));
    rn.set(f32.div(f32.const(1), f32.fromInt(a.n)));
    i.set(i32.mul(a.begin, a.part));
    for (const q of [a.x, a.g, a.y]) q.set(at(q, i32.mul(i, step)));
    f.for(p, a.begin, a.end, c(1), () => {
      ofGain.set(at(a.sums, i32.shl(i32.mul(p, step), c(1))));
      ofBias.set(at(ofGain, step));
      fillFloats(f, L, ofGain, v.const(0), i32.shl(a.n, c(1)));
      to.set(i32.min(a.rows, at(i, a.part)));
      f.for(i, i, to, c(1), () => {
        standard.load(ofRow(a.moments, i));
        for (const sum of [sumU, sumUt]) sum.clear();
        const addUp = ({ turn, load, live, store }: Step) => {
          t.set(v.sub(live(load(a.x), m), m));
          g.set(live(load(a.g), v.const(0)));
          u.set(v.mul(g, live(load(a.gain), v.const(0))));
          sumU.add(turn, u);
          sumUt.addProduct(turn, u, t);
          t.set(k.madd(k.madd(t, rstd, shift), g, load(ofGain)));
          store(ofGain, t);
          t.set(v.add(load(ofBias), g));
          store(ofBias, t);
        };
        eachFour(f, L, j, a.n, addUp, 2);
        mean.set(v.splat(f32.mul(sumU.total(), rn)));
        meanUx.set(v.splat(f32.mul(sumUt.total(), rn)));
        meanUx.set(k.madd(meanUx, rstd, v.mul(mean, shift)));
        A.set(v.neg(v.mul(meanUx, v.mul(rstd, rstd))));
        B.set(v.neg(v.mul(rstd, k.madd(meanUx, shift, mean))));
        const result = ({ load, store }: Step) => {
          t.set(k.madd(v.sub(load(a.x), m), A, B));
          t.set(k.madd(v.mul(load(a.g), load(a.gain)), rstd, t));
          store(a.y, t);
        };
        eachFour(f, L, j, a.n, result, TURNS);
        for (const q of [a.x, a.g, a.y]) q.set(at(q, step));
      });
    });
  });
}

export const size = (x: CpuRef): number => numel(x.shape);
type Eps = { eps: number };
/** What `row_moments` finds of the rows of x: kept with x, so that layer norm's gradients need not find it again. */
function withMoments(cpu: Cpu, x: CpuRef, eps: number, use: (moments: number) => void): void {
  const n = x.shape.at(-1)!;
  const rows = size(x) / n;
  const find = (moments: number) => cpu.parallel('row_moments', rows, 4 * size(x), [x.at, moments, n, eps]);
  const kept = cpu.derived([x.at], momentsOf(n, eps), 4 * rows, find, 1);
  const moments = kept ?? cpu.alloc(4 * rows);
  if (kept === undefined) find(moments);
  use(moments);
  if (kept === undefined) cpu.free(moments, 4 * rows);
}
const momentsOf = (n: number, eps: number): string => `moments ${n} ${eps}`;
const sumsOf = (n: number, eps: number): string => `layerNorm sums ${n} ${eps}`;

export const routines: Readonly<Record<string, Routine>> = {
  /** x [..., D], gain [D], bias [D], { eps } */
  layerNorm(cpu, y, ...args) {
    const [x, gain, bias] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { eps } = options<Eps>(args[3]);
    const n = x.shape.at(-1)!;
    if (size(x) === 0) return;
    let moments = 0;
    const fillBelow = (at: number) => {
      moments = at;
    };
    cpu.derived([x.at], momentsOf(n, eps), (4 * size(x)) / n, fillBelow, 1);
    cpu.parallel('layerNorm', size(x) / n, 4 * size(x), [x.at, gain.at, bias.at, y.at, moments, n, eps]);
  },
  /** x, gain, g, { eps } → dx. The sums for gain and bias come with it and are kept until they are asked for. */
  layerNormGrad(cpu, y, ...args) {
    const [x, gain, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { eps } = options<Eps>(args[3]);
    const n = x.shape.at(-1)!;
    if (size(x) === 0) return;
    let done = false;
    const compute = (sums: number) => {
      gradients(cpu, { x, gain, g, eps }, y.at, sums);
      done = true;
    };
    cpu.derived([x.at, g.at], sumsOf(n, eps), 2 * n, compute, 1);
    if (done) return;
    const unused = cpu.alloc(2 * n);
    compute(unused);
    cpu.free(unused, 2 * n);
  },
  /** x, g, { eps } → [2, D]: Σ over rows of g · xhat and of g */
  layerNormGradAffine(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const { eps } = options<Eps>(args[2]);
    const n = x.shape.at(-1)!;
    const compute = (sums: number) => {
      const dx = cpu.alloc(size(x)); // not used, so any gain will do
      gradients(cpu, { x, gain: g, g, eps }, dx, sums);
      cpu.free(dx, size(x));
    };
    const kept = cpu.derived([x.at, g.at], sumsOf(n, eps), 2 * n, compute, 2);
    if (kept === undefined) compute(y.at);
    else copyValues(cpu, kept, y.at, 2 * n);
  },
};

type Arguments = { x: CpuRef; gain: CpuRef; g: CpuRef; eps: number };
/** dx to y, and [Σ g · xhat, Σ g] to sums. */
function gradients(cpu: Cpu, { x, gain, g, eps }: Arguments, y: number, sums: number): void {
  const n = x.shape.at(-1)!;
  const rows = size(x) / n;
  const count = Math.max(1, Math.min(16, Math.ceil(rows / 64)));
  const part = Math.ceil(rows / count);
  withMoments(cpu, x, eps, (moments) =>
    reduceParts(cpu, sums, count, 2 * n, (parts) =>
      cpu.parallel('layerNormGrad', count, 8 * size(x), [x.at, gain.at, g.at, y, parts, rows, part, moments, n]),
    ),
  );
}
