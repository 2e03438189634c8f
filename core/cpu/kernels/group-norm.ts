/**
 * Group norm: layer norm's formulas over the channels and places of a group, which stand side by side, with a gain and a bias
 * for each channel. Gradients work the statistics out again.
 */
import { type F32, f32, type I32, i32, v } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { type CpuRef, options, type Routine, ref } from '../routine.ts';
import { eachFour, floats, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';
import { DELTA, M, RSTD, size, standardizer } from './norm.ts';
import { reduceParts } from './parts.ts';

const at = i32.add;
const c = i32.const;
/** Where `channel_sums` leaves its two sums, behind the moments. */
const SUMS = 12;

export function define(k: KernelBuilder): void {
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

type Groups = { groups: number; eps: number };
/** Arguments that describe the groups of x [N, C, ...]. */
const groupsOf = (x: CpuRef, { groups, eps }: Groups) => {
  const [N, C] = x.shape as [number, number];
  return { items: N * groups, work: 4 * size(x), args: [C / groups, groups, size(x) / (N * C), eps] };
};

export const routines: Readonly<Record<string, Routine>> = {
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
