/**
 * Cross-entropy of rows of logits x against class ids t, with label smoothing s, and its gradient. With top = max x and
 * z = Σ e^(x − top), both from differences to the maximum, so that large logits lose no digits:
 *
 *   loss = log z + (1 − s)(top − x_t) + s/V Σ (top − x)          gradient = g (e^(x − top) / z − (1 − s)[v = t] − s/V)
 *
 * A row whose id is outside of 0..V−1 is ignored: loss and gradient are 0.
 */
import { options, type Routine, ref } from '../routine.ts';
import { fillFloats } from './copy.ts';
import { f32, floatAt, i32, kernel, mul, sum4, v } from './dsl.ts';
import { eachFour } from './rows.ts';
import { rowMaximum } from './softmax.ts';
import { vectorMath } from './vector-math.ts';

/** Items: rows. */
const crossEntropy = kernel('crossEntropy', { x: i32, target: i32, y: i32, n: i32, smoothing: f32 }, (f, a) => {
  const { expFast: exp, log } = vectorMath(f);
  const { i, j, row, id } = f.ints('i j row id');
  const { top, s, z, t } = f.vectors('top s z t');
  const { hit, spread } = f.floats('hit spread');
  const rowLoss = () => {
    row.set(floatAt(a.x, mul(i, a.n)));
    rowMaximum(f, j, row, a.n, top);
    z.set(v.const(0));
    s.set(v.const(0));
    eachFour(f, j, a.n, ({ load, live }) => {
      t.set(v.sub(live(load(row), top), top));
      s.set(v.sub(s, t));
      z.set(v.add(z, live(exp(t), v.const(0))));
    });
    // a logit of −∞ must not become 0 · ∞
    hit.set(0);
    f.if(f32.ne(a.smoothing, 1), () => {
      hit.set(f32.sub(v.lane(top, 0), f32.load(floatAt(row, id))));
      hit.set(f32.mul(hit, f32.sub(1, a.smoothing)));
    });
    spread.set(0);
    f.if(f32.ne(a.smoothing, 0), () => spread.set(f32.mul(f32.div(a.smoothing, f32.fromInt(a.n)), sum4(s))));
    z.set(log(v.splat(sum4(z))));
    f.do(f32.store(floatAt(a.y, i), f32.add(f32.add(v.lane(z, 0), hit), spread)));
  };
  f.for(i, a.begin, a.end, 1, () => {
    id.set(i32.fromFloat(f32.load(floatAt(a.target, i))));
    f.if(i32.ltu(id, a.n), rowLoss, () => f.do(f32.store(floatAt(a.y, i), 0)));
  });
});

/** Items: rows. */
const crossEntropyGrad = kernel(
  'crossEntropyGrad',
  { x: i32, target: i32, g: i32, y: i32, n: i32, smoothing: f32 },
  (f, a) => {
    const { expFast: exp } = vectorMath(f);
    const { i, j, row, out, id } = f.ints('i j row out id');
    const { top, z, t, less, g } = f.vectors('top z t less g');
    const gradient = f32.load(floatAt(a.g, i));
    less.set(v.splat(f32.div(a.smoothing, f32.fromInt(a.n))));
    const rowGradient = () => {
      row.set(floatAt(a.x, mul(i, a.n)));
      g.set(v.splat(gradient));
      rowMaximum(f, j, row, a.n, top);
      z.set(v.const(0));
      eachFour(f, j, a.n, ({ load, live, store }) => {
        t.set(live(exp(v.sub(load(row), top)), v.const(0)));
        z.set(v.add(z, t));
        store(out, t);
      });
      z.set(v.splat(f32.div(1, sum4(z))));
      eachFour(f, j, a.n, ({ load, store }) => {
        t.set(v.mul(g, v.sub(v.mul(load(out), z), less)));
        store(out, t);
      });
      out.set(floatAt(out, id));
      f.do(f32.store(out, f32.sub(f32.load(out), f32.mul(gradient, f32.sub(1, a.smoothing)))));
    };
    f.for(i, a.begin, a.end, 1, () => {
      out.set(floatAt(a.y, mul(i, a.n)));
      id.set(i32.fromFloat(f32.load(floatAt(a.target, i))));
      f.if(i32.ltu(id, a.n), rowGradient, () => fillFloats(f, out, v.const(0), a.n));
    });
  },
);

export const kernels = [crossEntropy, crossEntropyGrad];

export const routines: Readonly<Record<string, Routine>> = {
  /** logits [R, V], ids [R] → [R] */
  crossEntropy(cpu, y, ...args) {
    const [x, target] = [ref(args[0]), ref(args[1])];
    const [rows, n] = x.shape as [number, number];
    const { smoothing } = options<{ smoothing: number }>(args[2]);
    const launch = { items: rows, work: 10 * rows * n };
    cpu.parallel(crossEntropy, launch, { x: x.at, target: target.at, y: y.at, n, smoothing });
  },
  /** logits [R, V], ids [R], g [R] → [R, V] */
  crossEntropyGrad(cpu, y, ...args) {
    const [x, target, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const [rows, n] = x.shape as [number, number];
    const { smoothing } = options<{ smoothing: number }>(args[3]);
    const launch = { items: rows, work: 10 * rows * n };
    cpu.parallel(crossEntropyGrad, launch, { x: x.at, target: target.at, g: g.at, y: y.at, n, smoothing });
  },
};
