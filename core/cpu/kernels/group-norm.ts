/**
 * Group norm: layer norm's formulas over the channels and pixels of a group, which are neighbors in memory, with a gain
 * and a bias for each channel. Gradients compute the moments again.
 */
import { numel } from '../../shape.ts';
import { type CpuRef, options, type Routine, ref } from '../routine.ts';
import { add, bytes, type F32, f32, floatAt, type I32, i32, kernel, mul, v, wasmFunction } from './dsl.ts';
import { computeMoments, MOMENT, normalizer } from './moments.ts';
import { reduceParts } from './parts.ts';
import { eachFour, eachFourUnrolled, rowSum, UNROLL } from './rows.ts';

/** Items: groups of all images. A group has `channels` rows of n values; `groups` is their number in an image. */
const groupParams = { channels: i32, groups: i32, n: i32, eps: f32 };
/** Byte offset of the result of `channelSums` in scratch, after the moments. */
const SUMS = 12;

const groupNorm = kernel('groupNorm', { x: i32, gain: i32, bias: i32, y: i32, ...groupParams }, (f, a) => {
  const { i, j, r, channel, x, y, size } = f.ints('i j r channel x y size');
  const { scale, shift, m, t } = f.vectors('scale shift m t');
  size.set(mul(a.channels, a.n));
  f.for(i, a.begin, a.end, 1, () => {
    x.set(floatAt(a.x, mul(i, size)));
    y.set(floatAt(a.y, mul(i, size)));
    channel.set(bytes(mul(i32.remu(i, a.groups), a.channels)));
    f.call(computeMoments, { x, n: size, eps: a.eps, out: a.scratch });
    m.set(v.loadSplat(a.scratch, MOMENT.m));
    f.for(r, 0, a.channels, 1, () => {
      scale.set(v.mul(v.loadSplat(a.scratch, MOMENT.rstd), v.loadSplat(add(a.gain, channel))));
      shift.set(v.sub(v.loadSplat(add(a.bias, channel)), v.mul(v.loadSplat(a.scratch, MOMENT.d), scale)));
      eachFour(f, j, a.n, ({ load, store }) => {
        t.set(f.madd(v.sub(load(x), m), scale, shift));
        store(y, t);
      });
      for (const p of [x, y]) p.set(floatAt(p, a.n));
      channel.set(add(channel, 4));
    });
  });
});

/** out = [Σ g, Σ g · xhat] over a channel's row. */
const channelSums = wasmFunction('channelSums', { x: i32, g: i32, n: i32, moments: i32, out: i32 }, (f, a) => {
  const { j } = f.ints('j');
  const { t } = f.vectors('t');
  const [s1, s2] = [rowSum(f, 's1'), rowSum(f, 's2')];
  const group = normalizer(f);
  group.load(a.moments);
  s1.clear();
  s2.clear();
  eachFourUnrolled(f, UNROLL, j, a.n, ({ index, load, live }) => {
    t.set(live(load(a.g), v.const(0)));
    s1.add(index, t);
    s2.addProduct(index, t, live(group.xhat(load(a.x)), v.const(0)));
  });
  f.do(f32.store(a.out, s1.total()), f32.store(a.out, s2.total(), 4));
});

const groupNormGrad = kernel('groupNormGrad', { x: i32, gain: i32, g: i32, y: i32, ...groupParams }, (f, a) => {
  const { i, j, r, channel, x, g, y, size } = f.ints('i j r channel x g y size');
  const { t, gain, mean1, mean2 } = f.vectors('t gain mean1 mean2');
  const group = normalizer(f);
  const { u1, u2 } = f.floats('u1 u2');
  size.set(mul(a.channels, a.n));
  const eachChannel = (body: (x: I32, g: I32) => void) => {
    x.set(floatAt(a.x, mul(i, size)));
    g.set(floatAt(a.g, mul(i, size)));
    channel.set(bytes(mul(i32.remu(i, a.groups), a.channels)));
    f.for(r, 0, a.channels, 1, () => {
      body(x, g);
      for (const p of [x, g]) p.set(floatAt(p, a.n));
      channel.set(add(channel, 4));
    });
  };
  const meanOf = (sum: F32) => v.splat(f32.div(sum, f32.fromInt(size)));
  f.for(i, a.begin, a.end, 1, () => {
    f.call(computeMoments, { x: floatAt(a.x, mul(i, size)), n: size, eps: a.eps, out: a.scratch });
    u1.set(0);
    u2.set(0);
    eachChannel((x, g) => {
      f.call(channelSums, { x, g, n: a.n, moments: a.scratch, out: add(a.scratch, SUMS) });
      const timesGain = (offset: number) => f32.mul(f32.load(add(a.gain, channel)), f32.load(a.scratch, offset));
      u1.set(f32.add(u1, timesGain(SUMS)));
      u2.set(f32.add(u2, timesGain(SUMS + 4)));
    });
    mean1.set(meanOf(u1));
    mean2.set(meanOf(u2));
    group.load(a.scratch);
    y.set(floatAt(a.y, mul(i, size)));
    eachChannel((x, g) => {
      gain.set(v.loadSplat(add(a.gain, channel)));
      eachFour(f, j, a.n, ({ load, store }) => {
        t.set(group.xhat(load(x)));
        t.set(v.sub(v.sub(v.mul(load(g), gain), mean1), v.mul(t, mean2)));
        t.set(v.mul(t, group.rstd));
        store(y, t);
      });
      y.set(floatAt(y, a.n));
    });
  });
});

/** y[image][channel] = Σ g · xhat over the channel's pixels. */
const groupNormGradGain = kernel('groupNormGradGain', { x: i32, g: i32, y: i32, ...groupParams }, (f, a) => {
  const { i, r, x, g, y, size } = f.ints('i r x g y size');
  size.set(mul(a.channels, a.n));
  f.for(i, a.begin, a.end, 1, () => {
    x.set(floatAt(a.x, mul(i, size)));
    g.set(floatAt(a.g, mul(i, size)));
    y.set(floatAt(a.y, mul(i, a.channels))); // groups · channels = C values per image
    f.call(computeMoments, { x, n: size, eps: a.eps, out: a.scratch });
    f.for(r, 0, a.channels, 1, () => {
      f.call(channelSums, { x, g, n: a.n, moments: a.scratch, out: add(a.scratch, SUMS) });
      f.do(f32.store(y, f32.load(a.scratch, SUMS + 4)));
      for (const p of [x, g]) p.set(floatAt(p, a.n));
      y.set(add(y, 4));
    });
  });
});

export const kernels = [groupNorm, groupNormGrad, groupNormGradGain];

type Options = { groups: number; eps: number };
/** Launch and sizes of the groups of x [N, C, ...]. */
function groupsOf(x: CpuRef, { groups, eps }: Options) {
  const [N, C] = x.shape as [number, number];
  const size = numel(x.shape);
  return {
    launch: { items: N * groups, work: 4 * size },
    sizes: { channels: C / groups, groups, n: size / (N * C), eps },
  };
}

export const routines: Readonly<Record<string, Routine>> = {
  /** x [N, C, ...], gain [C], bias [C], { groups, eps } */
  groupNorm(cpu, y, ...args) {
    const [x, gain, bias] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { launch, sizes } = groupsOf(y, options<Options>(args[3]));
    cpu.parallel(groupNorm, launch, { x: x.at, gain: gain.at, bias: bias.at, y: y.at, ...sizes });
  },
  /** x, gain, g, { groups, eps } → dx */
  groupNormGrad(cpu, y, ...args) {
    const [x, gain, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { launch, sizes } = groupsOf(y, options<Options>(args[3]));
    cpu.parallel(groupNormGrad, launch, { x: x.at, gain: gain.at, g: g.at, y: y.at, ...sizes });
  },
  /** x, g, { groups, eps } → [C]: Σ over images and pixels of g · xhat */
  groupNormGradGain(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const { launch, sizes } = groupsOf(x, options<Options>(args[2]));
    const [N, C] = x.shape as [number, number];
    reduceParts(cpu, y.at, N, C, (parts) =>
      cpu.parallel(groupNormGradGain, launch, { x: x.at, g: g.at, y: parts, ...sizes }),
    );
  },
};
