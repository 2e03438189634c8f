/**
 * Cross-entropy of rows of logits x against class ids t, with label smoothing s, and its gradient. With top = max x and
 * z = Σ e^(x − top), both from differences to the maximum, so that large logits lose nothing:
 *
 *   loss = log z + (1 − s)(top − x_t) + s/V Σ (top − x)          gradient = g (e^(x − top) / z − (1 − s)[v = t] − s/V)
 *
 * An id outside 0..V−1 has no one-hot entry: its (1 − s) terms are 0.
 */
import { type F32, f32, type I32, i32, v } from '../emitter.ts';
import { type KernelBuilder, sum4 } from '../kernel-builder.ts';
import { options, type Routine, ref } from '../routine.ts';
import { eachFour, floats, ints, vectors } from './locals.ts';
import { rowMaximum } from './softmax.ts';
import { vectorMath } from './vector-math.ts';

const at = i32.add;
const c = i32.const;

export function define(k: KernelBuilder): void {
  k.def('crossEntropy', 'begin end scratch x target y n smoothing:f32', (f, a, L) => {
    const { expFast: exp, log } = vectorMath(k, L);
    const { i, j, row, id } = ints(L, 'i j row id');
    const { top, s, z, t } = vectors(L, 'top s z t');
    const { hit, spread } = floats(L, 'hit spread');
    f.for(i, a.begin, a.end, c(1), () => {
      row.set(at(a.x, i32.shl(i32.mul(i, a.n), c(2))));
      rowMaximum(f, L, j, row, a.n, top);
      z.set(v.const(0));
      s.set(v.const(0));
      eachFour(f, L, j, a.n, ({ load, live }) => {
        t.set(v.sub(live(load(row), top), top));
        s.set(v.sub(s, t));
        z.set(v.add(z, live(exp(t), v.const(0))));
      });
      id.set(i32.fromFloat(f32.load(at(a.target, i32.shl(i, c(2))))));
      hit.set(f32.const(0));
      f.if(i32.ltu(id, a.n), () => hit.set(f32.sub(v.lane(top, 0), f32.load(at(row, i32.shl(id, c(2)))))));
      spread.set(f32.const(0)); // without smoothing a logit of −Inf must not become 0 · Inf
      f.if(f32.ne(a.smoothing, f32.const(0)), () =>
        spread.set(f32.mul(f32.div(a.smoothing, f32.fromInt(a.n)), sum4(s))),
      );
      z.set(log(v.splat(sum4(z))));
      hit.set(f32.mul(hit, f32.sub(f32.const(1), a.smoothing)));
      f.do(f32.store(at(a.y, i32.shl(i, c(2))), f32.add(f32.add(v.lane(z, 0), hit), spread)));
    });
  });

  k.def('crossEntropyGrad', 'begin end scratch x target g y n smoothing:f32', (f, a, L) => {
    const { expFast: exp } = vectorMath(k, L);
    const { i, j, row, out, id } = ints(L, 'i j row out id');
    const { top, z, t, less, g } = vectors(L, 'top z t less g');
    const share = (i: I32): F32 => f32.load(at(a.g, i32.shl(i, c(2))));
    less.set(v.splat(f32.div(a.smoothing, f32.fromInt(a.n))));
    f.for(i, a.begin, a.end, c(1), () => {
      row.set(at(a.x, i32.shl(i32.mul(i, a.n), c(2))));
      out.set(at(a.y, i32.shl(i32.mul(i, a.n), c(2))));
      g.set(v.splat(share(i)));
      rowMaximum(f, L, j, row, a.n, top);
      z.set(v.const(0));
      eachFour(f, L, j, a.n, ({ load, live, store }) => {
        t.set(live(exp(v.sub(load(row), top)), v.const(0)));
        z.set(v.add(z, t));
        store(out, t);
      });
      z.set(v.splat(f32.div(f32.const(1), sum4(z))));
      eachFour(f, L, j, a.n, ({ load, store }) => {
        t.set(v.mul(g, v.sub(v.mul(load(out), z), less)));
        store(out, t);
      });
      id.set(i32.fromFloat(f32.load(at(a.target, i32.shl(i, c(2))))));
      f.if(i32.ltu(id, a.n), () => {
        out.set(at(out, i32.shl(id, c(2))));
        f.do(f32.store(out, f32.sub(f32.load(out), f32.mul(share(i), f32.sub(f32.const(1), a.smoothing)))));
      });
    });
  });
}

export const routines: Readonly<Record<string, Routine>> = {
  /** logits [R, V], ids [R] → [R] */
  crossEntropy(cpu, y, ...args) {
    const [x, target] = [ref(args[0]), ref(args[1])];
    const [rows, n] = x.shape as [number, number];
    const { smoothing } = options<{ smoothing: number }>(args[2]);
    cpu.parallel('crossEntropy', rows, 10 * rows * n, [x.at, target.at, y.at, n, smoothing]);
  },
  /** logits [R, V], ids [R], g [R] → [R, V] */
  crossEntropyGrad(cpu, y, ...args) {
    const [x, target, g] = [ref(args[0]), ref(args[1]), ref(args[2])];
    const [rows, n] = x.shape as [number, number];
    const { smoothing } = options<{ smoothing: number }>(args[3]);
    cpu.parallel('crossEntropyGrad', rows, 10 * rows * n, [x.at, target.at, g.at, y.at, n, smoothing]);
  },
};
