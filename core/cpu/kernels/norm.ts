/**
 * The mean and deviation of rows, and layer norm: y = xhat · gain + bias with xhat = (x − mean) / √(variance + eps).
 *
 * Statistics take two passes: m ≈ mean, then d = mean(x − m) and variance = mean((x − m)²) − d². The differences are
 * nearly exact, so this holds when the mean is far above the deviation; mean = m + d. They are kept for the gradients.
 *
 *   dx = (u − mean(u) − xhat · mean(u · xhat)) / √(variance + eps),   u = g · gain
 */
import { type F32, f32, type I32, i32, type V128, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { eachFour, floats, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';
import { reduceParts } from './parts.ts';

const at = i32.add;
const c = i32.const;
/** Where `moments` leaves m, d and 1/√(variance + eps), 16 bytes for each row. */
export const M = 0;
export const DELTA = 4;
export const RSTD = 8;

/** xhat from what `moments` found: (x − m) · rstd − d · rstd. */
export function standardizer(k: KernelBuilder, L: Locals, row = '') {
  const [m, rstd, shift] = [L(`m${row}`), L(`rstd${row}`), L(`shift${row}`)];
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
  // two passes over a row, with t = x − m: the sums of u and u t; then dx = r u + A t + B
  k.def('layerNormGrad', 'begin end scratch x gain g y moments n', (f, a, L) => {
    const { i, j, step } = ints(L, 'i j step');
    const { t, u, gain, mean, meanUx } = vectors(L, 't u gain mean meanUx');
    const { rn } = floats(L, 'rn');
    const rows = ['0', '1'].map((row) => ({
      ...standardizer(k, L, row),
      A: L(`A${row}`),
      B: L(`B${row}`),
      u: rowSum(k, L, `u${row}`, 1),
      ut: rowSum(k, L, `ut${row}`, 1),
    }));
    step.set(i32.shl(a.n, c(2)));
    rn.set(f32.div(f32.const(1), f32.fromInt(a.n)));
    for (const p of [a.x, a.g, a.y]) p.set(at(p, i32.mul(a.begin, step)));
    /** Rows i to i + count − 1, which share what is read of the gain. */
    const gradients = (count: number) => {
      const each = [...rows.slice(0, count).entries()];
      const inRow = (p: I32, row: number) => (row === 0 ? p : at(p, step));
      for (const [row, r] of each) {
        r.load(at(ofRow(a.moments, i), c(16 * row)));
        for (const sum of [r.u, r.ut]) sum.clear();
      }
      const sums = ({ turn, load, live }: Step) => {
        gain.set(live(load(a.gain), v.const(0)));
        for (const [row, r] of each) {
          u.set(v.mul(live(load(inRow(a.g, row)), v.const(0)), gain));
          r.u.add(turn, u);
          r.ut.addProduct(turn, u, v.sub(live(load(inRow(a.x, row)), r.m), r.m));
        }
      };
      eachFour(f, L, j, a.n, sums);
      for (const [, r] of each) {
        mean.set(v.splat(f32.mul(r.u.total(), rn)));
        meanUx.set(v.splat(f32.mul(r.ut.total(), rn)));
        meanUx.set(k.madd(meanUx, r.rstd, v.mul(mean, r.shift)));
        r.A.set(v.neg(v.mul(meanUx, v.mul(r.rstd, r.rstd))));
        r.B.set(v.neg(v.mul(r.rstd, k.madd(meanUx, r.shift, mean))));
      }
      const result = ({ load, store }: Step) => {
        gain.set(load(a.gain));
        for (const [row, r] of each) {
          t.set(k.madd(v.sub(load(inRow(a.x, row)), r.m), r.A, r.B));
          t.set(k.madd(v.mul(load(inRow(a.g, row)), gain), r.rstd, t));
          store(inRow(a.y, row), t);
        }
      };
      eachFour(f, L, j, a.n, result);
      for (const p of [a.x, a.g, a.y]) p.set(at(p, i32.mul(step, c(count))));
    };
    f.for(i, a.begin, i32.sub(a.end, c(1)), c(2), () => gradients(2));
    f.if(i32.lt(i, a.end), () => gradients(1));
  });
  // items: parts of `part` rows each; part p → partial[p][2][n], Σ g · xhat and Σ g
  k.def('layerNormGradAffine', 'begin end scratch x g y rows part moments n', (f, a, L) => {
    const { p, i, j, to, step, ofGain, ofBias, x, g } = ints(L, 'p i j to step ofGain ofBias x g');
    const { t, s } = vectors(L, 't s');
    const standard = [0, 1].map((row) => standardizer(k, L, `${row}`));
    step.set(i32.shl(a.n, c(2)));
    /** Adds `count` rows, whose sums are read and written once. */
    const addRows = (count: number) => {
      x.set(at(a.x, i32.mul(i, step)));
      g.set(at(a.g, i32.mul(i, step)));
      for (let row = 0; row < count; row++) standard[row]!.load(at(ofRow(a.moments, i), c(16 * row)));
      const add = ({ load, store }: Step) => {
        const row = (p: I32, n: number) => load(n === 0 ? p : at(p, step));
        t.set(load(ofGain));
        s.set(load(ofBias));
        for (let n = 0; n < count; n++) {
          t.set(k.madd(standard[n]!.xhat(row(x, n)), row(g, n), t));
          s.set(v.add(s, row(g, n)));
        }
        store(ofGain, t);
        store(ofBias, s);
      };
      eachFour(f, L, j, a.n, add, 2);
    };
    f.for(p, a.begin, a.end, c(1), () => {
      ofGain.set(at(a.y, i32.shl(i32.mul(p, step), c(1))));
      ofBias.set(at(ofGain, step));
      t.set(v.const(0));
      eachFour(f, L, j, i32.shl(a.n, c(1)), ({ store }) => store(ofGain, t));
      i.set(i32.mul(p, a.part));
      to.set(i32.min(a.rows, at(i, a.part)));
      f.for(i, i, i32.sub(to, c(1)), c(2), () => addRows(2));
      f.if(i32.lt(i, to), () => addRows(1));
    });
  });
}

export const size = (x: CpuRef): number => x.shape.reduce((p, d) => p * d, 1);
type Eps = { eps: number };
/** What `row_moments` finds of the rows of x: kept with x, so that layer norm's gradients need not find it again. */
function withMoments(cpu: Cpu, x: CpuRef, eps: number, use: (moments: number) => void): void {
  const n = x.shape.at(-1)!;
  const rows = size(x) / n;
  const find = (moments: number) => cpu.parallel('row_moments', rows, 4 * size(x), [x.at, moments, n, eps]);
  const kept = cpu.derived(x.at, momentsOf(n, eps), 4 * rows, find, 1);
  const moments = kept ?? cpu.alloc(4 * rows);
  if (kept === undefined) find(moments);
  use(moments);
  if (kept === undefined) cpu.free(moments, 4 * rows);
}
const momentsOf = (n: number, eps: number): string => `moments ${n} ${eps}`;

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
    cpu.derived(x.at, momentsOf(n, eps), (4 * size(x)) / n, fillBelow, 1);
    cpu.parallel('layerNorm', size(x) / n, 4 * size(x), [x.at, gain.at, bias.at, y.at, moments, n, eps]);
  },
  /** x, gain, g, { eps } → dx */
  layerNormGrad(cpu, y, ...args) {
    const [x, gain, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const n = x.shape.at(-1)!;
    if (size(x) === 0) return;
    withMoments(cpu, x, options<Eps>(args[3]).eps, (moments) =>
      cpu.parallel('layerNormGrad', size(x) / n, 4 * size(x), [x.at, gain.at, g.at, y.at, moments, n]),
    );
  },
  /** x, g, { eps } → [2, D]: Σ over rows of g · xhat and of g */
  layerNormGradAffine(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const n = x.shape.at(-1)!;
    const rows = size(x) / n;
    const part = Math.max(64, Math.ceil(rows / 16));
    const count = Math.max(1, Math.ceil(rows / part));
    withMoments(cpu, x, options<Eps>(args[2]).eps, (moments) =>
      reduceParts(cpu, y.at, count, 2 * n, (parts) =>
        cpu.parallel('layerNormGradAffine', count, 4 * size(x), [x.at, g.at, parts, rows, part, moments, n]),
      ),
    );
  },
};
