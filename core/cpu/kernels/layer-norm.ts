/**
 * Layer norm: y = xhat · gain + bias with xhat = (x − mean) / √(variance + eps) over the last axis. Its gradient:
 *
 *   dx = (u − mean(u) − xhat · mean(u · xhat)) / √(variance + eps),   u = g · gain
 *
 * The sums for the gradients of gain and bias are computed with dx, while x and g are in cache, and cached until
 * `layerNormGradAffine` asks for them.
 */
import { numel } from '../../shape.ts';
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { fillFloats } from './copy.ts';
import { add, bytes, f32, i32, kernel, mul, v } from './dsl.ts';
import { computeMoments, momentsAt, momentsKey, normalizer, withMoments } from './moments.ts';
import { copyValues, reduceParts } from './parts.ts';
import { eachFourUnrolled, rowSum, type Step, UNROLL } from './rows.ts';

/** Items: rows. moments: where to leave them for the gradient, or 0. */
const layerNorm = kernel(
  'layerNorm',
  { x: i32, gain: i32, bias: i32, y: i32, moments: i32, n: i32, eps: f32 },
  (f, a) => {
    const { i, j, stride, own } = f.ints('i j stride own');
    const { t } = f.vectors('t');
    const row = normalizer(f);
    stride.set(bytes(a.n));
    for (const p of [a.x, a.y]) p.set(add(p, mul(a.begin, stride)));
    f.for(i, a.begin, a.end, 1, () => {
      own.set(i32.select(momentsAt(a.moments, i), a.scratch, a.moments));
      f.call(computeMoments, { x: a.x, n: a.n, eps: a.eps, out: own });
      row.load(own);
      eachFourUnrolled(f, UNROLL, j, a.n, ({ load, store }) => {
        t.set(row.xhat(load(a.x)));
        t.set(f.madd(t, load(a.gain), load(a.bias)));
        store(a.y, t);
      });
      for (const p of [a.x, a.y]) p.set(add(p, stride));
    });
  },
);

/**
 * Two passes over a row, with t = x − m: the first sums u and u t, the second writes dx = u / std + A t + B. Two rows
 * at once would need more registers than there are. The first pass also leaves sums[p][2][n], Σ g · xhat and Σ g over
 * part p. Items: parts of `part` rows each.
 */
const layerNormGrad = kernel(
  'layerNormGrad',
  { x: i32, gain: i32, g: i32, y: i32, sums: i32, rows: i32, part: i32, moments: i32, n: i32 },
  (f, a) => {
    const { p, i, j, to, stride, ofGain, ofBias } = f.ints('p i j to stride ofGain ofBias');
    const { t, g, u, A, B, mean, meanUx } = f.vectors('t g u A B mean meanUx');
    const { rn } = f.floats('rn');
    const row = normalizer(f);
    const { m, rstd, shift } = row;
    const [sumU, sumUt] = [rowSum(f, 'u', 2), rowSum(f, 'ut', 2)];
    const addTerms = ({ index, load, live, store }: Step) => {
      t.set(v.sub(live(load(a.x), m), m));
      g.set(live(load(a.g), v.const(0)));
      u.set(v.mul(g, live(load(a.gain), v.const(0))));
      sumU.add(index, u);
      sumUt.addProduct(index, u, t);
      t.set(f.madd(f.madd(t, rstd, shift), g, load(ofGain)));
      store(ofGain, t);
      t.set(v.add(load(ofBias), g));
      store(ofBias, t);
    };
    const storeResult = ({ load, store }: Step) => {
      t.set(f.madd(v.sub(load(a.x), m), A, B));
      t.set(f.madd(v.mul(load(a.g), load(a.gain)), rstd, t));
      store(a.y, t);
    };
    stride.set(bytes(a.n));
    rn.set(f32.div(1, f32.fromInt(a.n)));
    i.set(mul(a.begin, a.part));
    for (const q of [a.x, a.g, a.y]) q.set(add(q, mul(i, stride)));
    f.for(p, a.begin, a.end, 1, () => {
      ofGain.set(add(a.sums, i32.shl(mul(p, stride), 1)));
      ofBias.set(add(ofGain, stride));
      fillFloats(f, ofGain, v.const(0), i32.shl(a.n, 1));
      to.set(i32.min(a.rows, add(i, a.part)));
      f.for(i, i, to, 1, () => {
        row.load(momentsAt(a.moments, i));
        for (const sum of [sumU, sumUt]) sum.clear();
        eachFourUnrolled(f, 2, j, a.n, addTerms);
        mean.set(v.splat(f32.mul(sumU.total(), rn)));
        meanUx.set(v.splat(f32.mul(sumUt.total(), rn)));
        meanUx.set(f.madd(meanUx, rstd, v.mul(mean, shift)));
        A.set(v.neg(v.mul(meanUx, v.mul(rstd, rstd))));
        B.set(v.neg(v.mul(rstd, f.madd(meanUx, shift, mean))));
        eachFourUnrolled(f, UNROLL, j, a.n, storeResult);
        for (const q of [a.x, a.g, a.y]) q.set(add(q, stride));
      });
    });
  },
);

export const kernels = [layerNorm, layerNormGrad];

type Eps = { eps: number };
const sumsKey = (x: CpuRef, g: CpuRef, eps: number, keepFrom: 1 | 2) => {
  const n = x.shape.at(-1)!;
  return { tensors: [x.at, g.at], name: `layerNorm sums ${n} ${eps}`, floats: 2 * n, keepFrom };
};

export const routines: Readonly<Record<string, Routine>> = {
  /** x [..., D], gain [D], bias [D], { eps } */
  layerNorm(cpu, y, ...args) {
    const [x, gain, bias] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { eps } = options<Eps>(args[3]);
    const n = x.shape.at(-1)!;
    const size = numel(x.shape);
    if (size === 0) return;
    let moments = 0;
    // the kernel fills the entry; moments stays 0 if they are cached already, or cannot be
    cpu.cached(momentsKey(x, eps), (at) => {
      moments = at;
    });
    const launch = { items: size / n, work: 4 * size };
    cpu.parallel(layerNorm, launch, { x: x.at, gain: gain.at, bias: bias.at, y: y.at, moments, n, eps });
  },
  /** x, gain, g, { eps } → dx. Caches the sums for the gradients of gain and bias. */
  layerNormGrad(cpu, y, ...args) {
    const [x, gain, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const { eps } = options<Eps>(args[3]);
    if (numel(x.shape) === 0) return;
    const key = sumsKey(x, g, eps, 1);
    let done = false;
    const compute = (sums: number) => {
      gradients(cpu, { x, gain, g, eps }, y.at, sums);
      done = true;
    };
    cpu.cached(key, compute);
    if (done) return;
    const unused = cpu.alloc(key.floats);
    compute(unused);
    cpu.free(unused, key.floats);
  },
  /** x, g, { eps } → [2, D]: Σ over rows of g · xhat and of g */
  layerNormGradAffine(cpu, y, ...args) {
    const [x, g] = [ref(args[0]), ref(args[1])];
    const { eps } = options<Eps>(args[2]);
    const size = numel(x.shape);
    const compute = (sums: number) => {
      const dx = cpu.alloc(size); // not used, so any gain will do
      gradients(cpu, { x, gain: g, g, eps }, dx, sums);
      cpu.free(dx, size);
    };
    const key = sumsKey(x, g, eps, 2);
    const cached = cpu.cached(key, compute);
    if (cached === undefined) compute(y.at);
    else copyValues(cpu, cached, y.at, key.floats);
  },
};

type Arguments = { x: CpuRef; gain: CpuRef; g: CpuRef; eps: number };
/** dx to y, and [Σ g · xhat, Σ g] to sums. */
function gradients(cpu: Cpu, { x, gain, g, eps }: Arguments, y: number, sums: number): void {
  const n = x.shape.at(-1)!;
  const size = numel(x.shape);
  const rows = size / n;
  const count = Math.max(1, Math.min(16, Math.ceil(rows / 64)));
  const part = Math.ceil(rows / count);
  withMoments(cpu, x, eps, (moments) =>
    reduceParts(cpu, sums, count, 2 * n, (parts) =>
      cpu.parallel(
        layerNormGrad,
        { items: count, work: 8 * size },
        { x: x.at, gain: gain.at, g: g.at, y, sums: parts, rows, part, moments, n },
      ),
    ),
  );
}
