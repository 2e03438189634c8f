/**
 * Layer norm and group norm: y = xhat · gain + bias with xhat = (x − mean) / √(variance + eps) over a row (layer norm) or
 * over the channels and places of a group, which also stand side by side (group norm).
 *
 * Statistics take two passes: m ≈ mean, then d = mean(x − m) and variance = mean((x − m)²) − d². The differences are
 * nearly exact, so this holds when the mean is far above the deviation; mean = m + d. Gradients work them out again.
 *
 *   dx = (u − mean(u) − xhat · mean(u · xhat)) / √(variance + eps),   u = g · gain
 */
import { type F32, f32, type I32, i32, type V128, v } from '../emitter.ts';
import type { KernelBuilder, Locals } from '../kernel-builder.ts';
import { type CpuRef, options, type Routine, ref } from '../routine.ts';
import { eachFour, floats, ints, rowSum, type Step, type RowSum as Sum, TURNS, vectors } from './locals.ts';
import { reduceParts } from './parts.ts';

const at = i32.add;
const c = i32.const;
/** Where `moments` leaves m, d and 1/√(variance + eps), and `channel_sums` its two sums. */
const M = 0;
const DELTA = 4;
const RSTD = 8;
const SUMS = 12;

/** xhat from what `moments` found: (x − m) · rstd − d · rstd. */
function standardizer(k: KernelBuilder, L: Locals) {
  const { m, rstd, shift } = vectors(L, 'm rstd shift');
  return {
    rstd,
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

  k.def('layerNorm', 'begin end scratch x gain bias y n eps:f32', (f, a, L) => {
    const { i, j, step } = ints(L, 'i j step');
    const { t } = vectors(L, 't');
    const standard = standardizer(k, L);
    step.set(i32.shl(a.n, c(2)));
    for (const p of [a.x, a.y]) p.set(at(p, i32.mul(a.begin, step)));
    f.for(i, a.begin, a.end, c(1), () => {
      f.do(k.call('moments', a.x, a.n, a.eps, a.scratch));
      standard.load(a.scratch);
      eachFour(
        f,
        L,
        j,
        a.n,
        ({ load, store }) => {
          t.set(standard.xhat(load(a.x))); // xhat
          t.set(k.madd(t, load(a.gain), load(a.bias)));
          store(a.y, t);
        },
        TURNS,
      );
      for (const p of [a.x, a.y]) p.set(at(p, step));
    });
  });
  // three passes over a row: its mean m; with t = x − m the sums of t, t², u and u·t; then dx = r u + A t + B
  k.def('layerNormGrad', 'begin end scratch x gain g y n eps:f32', (f, a, L) => {
    const { i, j, step } = ints(L, 'i j step');
    const { t, u, m, r, A, B } = vectors(L, 't u m r A B');
    const { d, rn, rstd, mean2 } = floats(L, 'd rn rstd mean2');
    const sx = rowSum(k, L, 'x', TURNS);
    const [st, stt, su, sut] = ['t', 'tt', 'u', 'ut'].map((name) => rowSum(k, L, name, 2)) as [Sum, Sum, Sum, Sum];
    step.set(i32.shl(a.n, c(2)));
    rn.set(f32.div(f32.const(1), f32.fromInt(a.n)));
    for (const p of [a.x, a.g, a.y]) p.set(at(p, i32.mul(a.begin, step)));
    f.for(i, a.begin, a.end, c(1), () => {
      for (const s of [sx, st, stt, su, sut]) s.clear();
      eachFour(f, L, j, a.n, ({ turn, load, live }) => sx.add(turn, live(load(a.x), v.const(0))), TURNS);
      m.set(v.splat(f32.mul(sx.total(), rn)));
      const sums = ({ turn, load, live }: Step) => {
        t.set(v.sub(live(load(a.x), m), m));
        u.set(live(v.mul(load(a.g), load(a.gain)), v.const(0)));
        st.add(turn, t);
        stt.addProduct(turn, t, t);
        su.add(turn, u);
        sut.addProduct(turn, u, t);
      };
      eachFour(f, L, j, a.n, sums, 2);
      d.set(f32.mul(st.total(), rn));
      rstd.set(f32.add(f32.sub(f32.mul(stt.total(), rn), f32.mul(d, d)), a.eps)); // variance + eps
      rstd.set(f32.div(f32.const(1), f32.sqrt(rstd)));
      const sumU = su.total();
      mean2.set(f32.mul(f32.mul(f32.sub(sut.total(), f32.mul(d, sumU)), rstd), rn)); // of u · xhat, xhat = (t − d) r
      r.set(v.splat(rstd));
      A.set(v.neg(v.mul(v.splat(mean2), v.mul(r, r))));
      B.set(v.neg(v.add(v.mul(v.splat(f32.mul(sumU, rn)), r), v.mul(A, v.splat(d)))));
      const result = ({ load, store }: Step) => {
        t.set(k.madd(v.sub(load(a.x), m), A, B));
        t.set(k.madd(v.mul(load(a.g), load(a.gain)), r, t));
        store(a.y, t);
      };
      eachFour(f, L, j, a.n, result, TURNS);
      for (const p of [a.x, a.g, a.y]) p.set(at(p, step));
    });
  });
  // items: parts of `rows` rows each; part p → partial[p][n]
  k.def('layerNormGradGain', 'begin end scratch x g y rows part n eps:f32', (f, a, L) => {
    const { p, i, j, to, step, out, x, g } = ints(L, 'p i j to step out x g');
    const { t } = vectors(L, 't');
    const standard = standardizer(k, L);
    step.set(i32.shl(a.n, c(2)));
    f.for(p, a.begin, a.end, c(1), () => {
      out.set(at(a.y, i32.mul(p, step)));
      t.set(v.const(0));
      eachFour(f, L, j, a.n, ({ store }) => store(out, t));
      to.set(i32.min(a.rows, i32.mul(at(p, c(1)), a.part)));
      f.for(i, i32.mul(p, a.part), to, c(1), () => {
        x.set(at(a.x, i32.mul(i, step)));
        g.set(at(a.g, i32.mul(i, step)));
        f.do(k.call('moments', x, a.n, a.eps, a.scratch));
        standard.load(a.scratch);
        eachFour(
          f,
          L,
          j,
          a.n,
          ({ load, store }) => {
            t.set(standard.xhat(load(x)));
            t.set(k.madd(t, load(g), load(out)));
            store(out, t);
          },
          TURNS,
        );
      });
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
const overRows =
  (kernel: string): Routine =>
  (cpu, y, ...args) => {
    const n = ref(args[0]).shape.at(-1)!;
    const { eps } = options<Eps>(args[3] as Eps);
    const refs = args.slice(0, 3).map((a) => ref(a).at);
    if (size(y) > 0) cpu.parallel(kernel, size(y) / n, 4 * size(y), [...refs, y.at, n, eps]);
  };
/** Arguments that describe the groups of x [N, C, ...]. */
const groupsOf = (x: CpuRef, { groups, eps }: Groups) => {
  const [N, C] = x.shape as [number, number];
  return { items: N * groups, work: 4 * size(x), args: [C / groups, groups, size(x) / (N * C), eps] };
};

export const routines: Readonly<Record<string, Routine>> = {
  /** x [..., D], gain [D], bias [D], { eps } */
  layerNorm: overRows('layerNorm'),
  /** x, gain, g, { eps } → dx */
  layerNormGrad: overRows('layerNormGrad'),
  /** x, g, { eps } → [D]: Σ over rows of g · xhat */
  layerNormGradGain(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const n = x.shape.at(-1)!;
    const rows = size(x) / n;
    const part = Math.max(64, Math.ceil(rows / 16));
    const count = Math.max(1, Math.ceil(rows / part));
    reduceParts(cpu, y.at, count, n, (parts) =>
      cpu.parallel('layerNormGradGain', count, 4 * size(x), [
        x.at,
        g.at,
        parts,
        rows,
        part,
        n,
        options<Eps>(args[2]).eps,
      ]),
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
