/**
 * Layer norm and group norm: y = xhat · gain + bias with xhat = (x − mean) / √(variance + eps) over a row (layer norm) or
 * over the channels and places of a group, which also stand side by side (group norm).
 *
 * Statistics take two passes: m ≈ mean, then d = mean(x − m) and variance = mean((x − m)²) − d². The differences are
 * nearly exact, so this holds when the mean is far above the deviation; mean = m + d. Those of layer norm are kept for its
 * gradients, which group norm's work out again.
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
/** Where `moments` leaves m, d and 1/√(variance + eps), 16 bytes for each row, and `channel_sums` its two sums. */
const M = 0;
const DELTA = 4;
const RSTD = 8;
const SUMS = 12;

/** xhat from what `moments` found: (x − m) · rstd − d · rstd. */
function standardizer(k: KernelBuilder, L: Locals, row = '') {
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
  // items: groups of all pictures; a group has `channels` rows of n values; channel of row r: (group % groups) · channels + r
  const group = 'channels groups n eps:f32';
  k.def('groupNorm', `begin end scratch x gain bias y ${group}`, (f, a, L) => {
    const { i, j, r, channel, x, y, size } = ints(L, 'i j r channel x y size');
    const { scale, shift, m, t } = vectors(L, 'scale shift m t');
    size.set(i32.mul(a.channels, a.n));
    f.for(i, a.begin, a.end, c(1), () => {
      x.set(at(a.x, i32.shl(i32.mul(i, size), c(2))));
      y.set(at(a.y, i32.shl(i32.mul(i, size), c(2))));
      channel.set(i32.shl(i32.mul(i32.remu(i, a.groups), a.channels), c(2)));
      f.do(k.call('moments', x, size, a.eps, a.scratch));
      m.set(v.loadSplat(a.scratch, M));
      f.loop(r, a.channels, 1, () => {
        scale.set(v.mul(v.loadSplat(a.scratch, RSTD), v.loadSplat(at(a.gain, channel))));
        shift.set(v.sub(v.loadSplat(at(a.bias, channel)), v.mul(v.loadSplat(a.scratch, DELTA), scale)));
        eachFour(f, L, j, a.n, ({ load, store }) => {
          t.set(k.madd(v.sub(load(x), m), scale, shift));
          store(y, t);
        });
        for (const p of [x, y]) p.set(at(p, i32.shl(a.n, c(2))));
        channel.set(at(channel, c(4)));
      });
    });
  });
  /** Sums over a channel's row: s1 = Σ g, s2 = Σ g · xhat. */
  k.def('channel_sums', 'x g n moments out', (f, a, L) => {
    const { j } = ints(L, 'j');
    const { t } = vectors(L, 't');
    const [s1, s2] = [rowSum(k, L, 's1'), rowSum(k, L, 's2')];
    const standard = standardizer(k, L);
    standard.load(a.moments);
    s1.clear();
    s2.clear();
    const term = ({ turn, load, live }: Step) => {
      t.set(live(load(a.g), v.const(0)));
      s1.add(turn, t);
      s2.addProduct(turn, t, live(standard.xhat(load(a.x)), v.const(0)));
    };
    eachFour(f, L, j, a.n, term, TURNS);
    f.do(f32.store(a.out, s1.total()), f32.store(a.out, s2.total(), 4));
  });
  k.def('groupNormGrad', `begin end scratch x gain g y ${group}`, (f, a, L) => {
    const { i, j, r, channel, x, g, y, size } = ints(L, 'i j r channel x g y size');
    const { t, gain, mean1, mean2 } = vectors(L, 't gain mean1 mean2');
    const standard = standardizer(k, L);
    const { u1, u2 } = floats(L, 'u1 u2');
    size.set(i32.mul(a.channels, a.n));
    const rowBytes = i32.shl(a.n, c(2));
    const eachChannel = (body: (x: I32, g: I32) => void) => {
      x.set(at(a.x, i32.shl(i32.mul(i, size), c(2))));
      g.set(at(a.g, i32.shl(i32.mul(i, size), c(2))));
      channel.set(i32.shl(i32.mul(i32.remu(i, a.groups), a.channels), c(2)));
      f.loop(r, a.channels, 1, () => {
        body(x, g);
        for (const p of [x, g]) p.set(at(p, rowBytes));
        channel.set(at(channel, c(4)));
      });
    };
    const mean = (u: F32) => v.splat(f32.div(u, f32.fromInt(size)));
    f.for(i, a.begin, a.end, c(1), () => {
      f.do(k.call('moments', at(a.x, i32.shl(i32.mul(i, size), c(2))), size, a.eps, a.scratch));
      u1.set(f32.const(0));
      u2.set(f32.const(0));
      eachChannel((x, g) => {
        f.do(k.call('channel_sums', x, g, a.n, a.scratch, at(a.scratch, c(SUMS))));
        const times = (offset: number) => f32.mul(f32.load(at(a.gain, channel)), f32.load(a.scratch, offset));
        u1.set(f32.add(u1, times(SUMS)));
        u2.set(f32.add(u2, times(SUMS + 4)));
      });
      mean1.set(mean(u1));
      mean2.set(mean(u2));
      standard.load(a.scratch);
      y.set(at(a.y, i32.shl(i32.mul(i, size), c(2))));
      eachChannel((x, g) => {
        gain.set(v.loadSplat(at(a.gain, channel)));
        eachFour(f, L, j, a.n, ({ load, store }) => {
          t.set(standard.xhat(load(x)));
          t.set(v.sub(v.sub(v.mul(load(g), gain), mean1), v.mul(t, mean2)));
          t.set(v.mul(t, standard.rstd));
          store(y, t);
        });
        y.set(at(y, rowBytes));
      });
    });
  });
  // partial[picture][channel] = Σ g · xhat over the channel's places
  k.def('groupNormGradGain', `begin end scratch x g y ${group}`, (f, a, L) => {
    const { i, r, x, g, y, size } = ints(L, 'i r x g y size');
    size.set(i32.mul(a.channels, a.n));
    f.for(i, a.begin, a.end, c(1), () => {
      x.set(at(a.x, i32.shl(i32.mul(i, size), c(2))));
      g.set(at(a.g, i32.shl(i32.mul(i, size), c(2))));
      y.set(at(a.y, i32.shl(i32.mul(i, a.channels), c(2)))); // groups · channels = C values per picture
      f.do(k.call('moments', x, size, a.eps, a.scratch));
      f.loop(r, a.channels, 1, () => {
        f.do(k.call('channel_sums', x, g, a.n, a.scratch, at(a.scratch, c(SUMS))));
        f.do(f32.store(y, f32.load(a.scratch, SUMS + 4)));
        for (const p of [x, g]) p.set(at(p, i32.shl(a.n, c(2))));
        y.set(at(y, c(4)));
      });
    });
  });
}

const size = (x: CpuRef): number => x.shape.reduce((p, d) => p * d, 1);
type Eps = { eps: number };
type Groups = { groups: number; eps: number };
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

/** Arguments that describe the groups of x [N, C, ...]. */
const groupsOf = (x: CpuRef, { groups, eps }: Groups) => {
  const [N, C] = x.shape as [number, number];
  return { items: N * groups, work: 4 * size(x), args: [C / groups, groups, size(x) / (N * C), eps] };
};

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
  /** x [N, C, ...], gain [C], bias [C], { groups, eps } */
  groupNorm(cpu, y, ...args) {
    const { items, work, args: sizes } = groupsOf(y, options<Groups>(args[3]));
    cpu.parallel('groupNorm', items, work, [ref(args[0]).at, ref(args[1]).at, ref(args[2]).at, y.at, ...sizes]);
  },
  /** x, gain, g, { groups, eps } → dx */
  groupNormGrad(cpu, y, ...args) {
    const { items, work, args: sizes } = groupsOf(y, options<Groups>(args[3]));
    cpu.parallel('groupNormGrad', items, work, [ref(args[0]).at, ref(args[1]).at, ref(args[2]).at, y.at, ...sizes]);
  },
  /** x, g, { groups, eps } → [C]: Σ over pictures and places of g · xhat */
  groupNormGradGain(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const { items, work, args: sizes } = groupsOf(x, options<Groups>(args[2]));
    const [N, C] = x.shape as [number, number];
    reduceParts(cpu, y.at, N, C, (parts) =>
      cpu.parallel('groupNormGradGain', items, work, [x.at, g.at, parts, ...sizes]),
    );
  },
};
