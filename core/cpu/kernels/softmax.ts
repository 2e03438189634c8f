/** Softmax and log-softmax over rows, and their gradients. One row at a time: maximum, sum of exponentials, result. */
import { numel } from '../../shape.ts';
import { f32, type I32, i32, type Local, v } from '../emitter.ts';
import { type KernelBuilder, type Locals, max4, sum4 } from '../kernel-builder.ts';
import { type CpuRef, type Routine, ref } from '../routine.ts';
import { type Code, eachFour, ints, rowSum, type Step, TURNS, vectors } from './locals.ts';
import { vectorMath } from './vector-math.ts';

const at = i32.add;
const c = i32.const;

/** Sets `top` to the largest of a row's n values, in all lanes. NaN is passed over here; the exponentials bring it in. */
export function rowMaximum(f: Code, L: Locals, j: Local<'i32'>, row: I32, n: I32, top: Local<'v128'>): void {
  const tops = [top, ...Array.from({ length: TURNS - 1 }, (_, i) => L(`top of turn ${i + 1}`))];
  for (const t of tops) t.set(v.const(-Infinity));
  const larger = ({ turn, load, live }: Step) =>
    tops[turn].set(v.pmax(tops[turn], live(load(row), v.const(-Infinity))));
  eachFour(f, L, j, n, larger, TURNS);
  for (const t of tops.slice(1)) top.set(v.pmax(top, t));
  top.set(v.splat(max4(top)));
}

export function define(k: KernelBuilder): void {
  // dst = softmax(scale · src) for rows of n values that stand srcStep and dstStep bytes apart
  k.def('softmax_rows', 'src dst rows n srcStep dstStep scale:f32', (f, a, L) => {
    const { expFast: exp } = vectorMath(k, L);
    const { i, j } = ints(L, 'i j');
    const { top, s, t, log2, low } = vectors(L, 'top s t log2 low');
    log2.set(v.splat(f32.mul(a.scale, f32.const(Math.LOG2E))));
    low.set(v.div(v.const(-127), log2));
    f.loop(i, a.rows, 1, () => {
      rowMaximum(f, L, j, a.src, a.n, top);
      s.set(v.const(0));
      eachFour(
        f,
        L,
        j,
        a.n,
        ({ load, live, store }) => {
          t.set(live(exp(v.sub(load(a.src), top), log2, low), v.const(0)));
          s.set(v.add(s, t));
          store(a.dst, t);
        },
        2,
      );
      s.set(v.splat(f32.div(f32.const(1), sum4(s))));
      eachFour(
        f,
        L,
        j,
        a.n,
        ({ load, store }) => {
          t.set(v.mul(load(a.dst), s));
          store(a.dst, t);
        },
        TURNS,
      );
      a.src.set(at(a.src, a.srcStep));
      a.dst.set(at(a.dst, a.dstStep));
    });
  });

  // dst = scale · y (g − Σ y g); rows of y, g and dst stand `step` bytes apart; dst may be g
  k.def('softmax_grad_rows', 'y g dst rows n step scale:f32', (f, a, L) => {
    const { i, j } = ints(L, 'i j');
    const { s, scale, t } = vectors(L, 's scale t');
    const dot = rowSum(k, L, 'dot');
    scale.set(v.splat(a.scale));
    f.loop(i, a.rows, 1, () => {
      dot.clear();
      const term = ({ turn, load, live }: Step) =>
        dot.addProduct(turn, live(load(a.y), v.const(0)), live(load(a.g), v.const(0)));
      eachFour(f, L, j, a.n, term, TURNS);
      s.set(v.splat(dot.total()));
      eachFour(
        f,
        L,
        j,
        a.n,
        ({ load, store }) => {
          t.set(v.mul(v.mul(load(a.y), scale), v.sub(load(a.g), s)));
          store(a.dst, t);
        },
        TURNS,
      );
      for (const p of [a.y, a.g, a.dst]) p.set(at(p, a.step));
    });
  });

  /** The row at `p` of a share of rows that begins at row `begin`. */
  const rowAt = (p: I32, begin: I32, step: I32) => at(p, i32.mul(begin, step));
  k.def('softmax', 'begin end scratch x y n', (f, a, L) => {
    const { step } = ints(L, 'step');
    step.set(i32.shl(a.n, c(2)));
    const [x, y] = [rowAt(a.x, a.begin, step), rowAt(a.y, a.begin, step)];
    f.do(k.call('softmax_rows', x, y, i32.sub(a.end, a.begin), a.n, step, step, f32.const(1)));
  });
  k.def('softmaxGrad', 'begin end scratch y g dst n', (f, a, L) => {
    const { step } = ints(L, 'step');
    step.set(i32.shl(a.n, c(2)));
    const [y, g, dst] = [a.y, a.g, a.dst].map((p) => rowAt(p, a.begin, step)) as [I32, I32, I32];
    f.do(k.call('softmax_grad_rows', y, g, dst, i32.sub(a.end, a.begin), a.n, step, f32.const(1)));
  });

  k.def('logSoftmax', 'begin end scratch x y n', (f, a, L) => {
    const { expFast: exp, log } = vectorMath(k, L);
    const { i, j, step } = ints(L, 'i j step');
    const { top, s, t } = vectors(L, 'top s t');
    step.set(i32.shl(a.n, c(2)));
    for (const p of [a.x, a.y]) p.set(rowAt(p, a.begin, step));
    f.for(i, a.begin, a.end, c(1), () => {
      rowMaximum(f, L, j, a.x, a.n, top);
      s.set(v.const(0));
      eachFour(f, L, j, a.n, ({ load, live }) => {
        t.set(exp(v.sub(load(a.x), top)));
        s.set(v.add(s, live(t, v.const(0))));
      });
      s.set(log(v.splat(sum4(s))));
      eachFour(f, L, j, a.n, ({ load, store }) => {
        t.set(v.sub(v.sub(load(a.x), top), s)); // x − top first: exact where it matters
        store(a.y, t);
      });
      for (const p of [a.x, a.y]) p.set(at(p, step));
    });
  });
  k.def('logSoftmaxGrad', 'begin end scratch y g dst n', (f, a, L) => {
    const { exp } = vectorMath(k, L);
    const { i, j, step } = ints(L, 'i j step');
    const { s, t } = vectors(L, 's t');
    step.set(i32.shl(a.n, c(2)));
    for (const p of [a.y, a.g, a.dst]) p.set(rowAt(p, a.begin, step));
    f.for(i, a.begin, a.end, c(1), () => {
      s.set(v.const(0));
      eachFour(f, L, j, a.n, ({ load, live }) => s.set(v.add(s, live(load(a.g), v.const(0)))));
      s.set(v.splat(sum4(s)));
      eachFour(f, L, j, a.n, ({ load, store }) => {
        t.set(exp(load(a.y)));
        t.set(v.sub(load(a.g), v.mul(t, s)));
        store(a.dst, t);
      });
      for (const p of [a.y, a.g, a.dst]) p.set(at(p, step));
    });
  });
}

/** A routine that runs `kernel` on the rows of its first argument. */
const overRows =
  (kernel: string): Routine =>
  (cpu, y, ...args) => {
    const refs = args as CpuRef[];
    const size = numel(y.shape);
    const n = ref(args[0]).shape.at(-1)!;
    if (size > 0) cpu.parallel(kernel, size / n, 10 * size, [...refs.map((r) => r.at), y.at, n]);
  };

export const routines: Readonly<Record<string, Routine>> = {
  /** y = e^x / Σ e^x over the last axis */
  softmax: overRows('softmax'),
  /** y (g − Σ y g), from the result y */
  softmaxGrad: overRows('softmaxGrad'),
  /** x − log Σ e^x */
  logSoftmax: overRows('logSoftmax'),
  /** g − e^y Σ g, from the result y */
  logSoftmaxGrad: overRows('logSoftmaxGrad'),
};
