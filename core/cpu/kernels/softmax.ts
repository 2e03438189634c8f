/** Softmax and log-softmax over rows, and their gradients. One row at a time: maximum, sum of exponentials, result. */
import { numel } from '../../shape.ts';
import type { Kernel } from '../kernel.ts';
import { type Routine, ref } from '../routine.ts';
import {
  add,
  bytes,
  type Fn,
  f32,
  type I32,
  type Int,
  i32,
  kernel,
  type Local,
  max4,
  mul,
  sub,
  sum4,
  v,
  wasmFunction,
} from './dsl.ts';
import { eachFour, eachFourUnrolled, rowSum, type Step, UNROLL } from './rows.ts';
import { vectorMath } from './vector-math.ts';

/**
 * Sets all lanes of `top` to the largest of a row's n values. Ignores NaN: the exponentials that follow bring it in.
 */
export function rowMaximum(f: Fn, j: Local<'i32'>, row: Int, n: Int, top: Local<'v128'>): void {
  const tops = [top, ...f.vectorArray('another top', UNROLL - 1)];
  for (const t of tops) t.set(v.const(-Infinity));
  eachFourUnrolled(f, UNROLL, j, n, ({ index, load, live }) =>
    tops[index].set(v.pmax(tops[index], live(load(row), v.const(-Infinity)))),
  );
  for (const t of tops.slice(1)) top.set(v.pmax(top, t));
  top.set(v.splat(max4(top)));
}

/** dst = softmax(scale · src) for rows of n values; strides are bytes between rows. */
export const softmaxRows = wasmFunction(
  'softmaxRows',
  { src: i32, dst: i32, rows: i32, n: i32, srcStride: i32, dstStride: i32, scale: f32 },
  (f, a) => {
    const { expFast: exp } = vectorMath(f);
    const { i, j } = f.ints('i j');
    const { top, s, t, log2, low } = f.vectors('top s t log2 low');
    log2.set(v.splat(f32.mul(a.scale, Math.LOG2E)));
    low.set(v.div(v.const(-127), log2));
    f.for(i, 0, a.rows, 1, () => {
      rowMaximum(f, j, a.src, a.n, top);
      s.set(v.const(0));
      eachFourUnrolled(f, 2, j, a.n, ({ load, live, store }) => {
        t.set(live(exp(v.sub(load(a.src), top), log2, low), v.const(0)));
        s.set(v.add(s, t));
        store(a.dst, t);
      });
      s.set(v.splat(f32.div(1, sum4(s))));
      eachFourUnrolled(f, UNROLL, j, a.n, ({ load, store }) => {
        t.set(v.mul(load(a.dst), s));
        store(a.dst, t);
      });
      a.src.set(add(a.src, a.srcStride));
      a.dst.set(add(a.dst, a.dstStride));
    });
  },
);

/** dst = scale · y (g − Σ y g) for rows of n values, `stride` bytes apart. dst may be g. */
export const softmaxGradRows = wasmFunction(
  'softmaxGradRows',
  { y: i32, g: i32, dst: i32, rows: i32, n: i32, stride: i32, scale: f32 },
  (f, a) => {
    const { i, j } = f.ints('i j');
    const { s, scale, t } = f.vectors('s scale t');
    const dot = rowSum(f, 'dot');
    const addTerm = ({ index, load, live }: Step) =>
      dot.addProduct(index, live(load(a.y), v.const(0)), live(load(a.g), v.const(0)));
    scale.set(v.splat(a.scale));
    f.for(i, 0, a.rows, 1, () => {
      dot.clear();
      eachFourUnrolled(f, UNROLL, j, a.n, addTerm);
      s.set(v.splat(dot.total()));
      eachFourUnrolled(f, UNROLL, j, a.n, ({ load, store }) => {
        t.set(v.mul(v.mul(load(a.y), scale), v.sub(load(a.g), s)));
        store(a.dst, t);
      });
      for (const p of [a.y, a.g, a.dst]) p.set(add(p, a.stride));
    });
  },
);

// Items of the kernels: rows.
const forward = { x: i32, y: i32, n: i32 };
const backward = { y: i32, g: i32, dst: i32, n: i32 };
const rowAt = (p: I32, row: I32, stride: I32) => add(p, mul(row, stride));

const softmax = kernel('softmax', forward, (f, a) => {
  const { stride } = f.ints('stride');
  stride.set(bytes(a.n));
  f.call(softmaxRows, {
    src: rowAt(a.x, a.begin, stride),
    dst: rowAt(a.y, a.begin, stride),
    rows: sub(a.end, a.begin),
    n: a.n,
    srcStride: stride,
    dstStride: stride,
    scale: 1,
  });
});

const softmaxGrad = kernel('softmaxGrad', backward, (f, a) => {
  const { stride } = f.ints('stride');
  stride.set(bytes(a.n));
  f.call(softmaxGradRows, {
    y: rowAt(a.y, a.begin, stride),
    g: rowAt(a.g, a.begin, stride),
    dst: rowAt(a.dst, a.begin, stride),
    rows: sub(a.end, a.begin),
    n: a.n,
    stride,
    scale: 1,
  });
});

const logSoftmax = kernel('logSoftmax', forward, (f, a) => {
  const { expFast: exp, log } = vectorMath(f);
  const { i, j, stride } = f.ints('i j stride');
  const { top, s, t } = f.vectors('top s t');
  stride.set(bytes(a.n));
  for (const p of [a.x, a.y]) p.set(rowAt(p, a.begin, stride));
  f.for(i, a.begin, a.end, 1, () => {
    rowMaximum(f, j, a.x, a.n, top);
    s.set(v.const(0));
    eachFour(f, j, a.n, ({ load, live }) => {
      t.set(exp(v.sub(load(a.x), top)));
      s.set(v.add(s, live(t, v.const(0))));
    });
    s.set(log(v.splat(sum4(s))));
    eachFour(f, j, a.n, ({ load, store }) => {
      t.set(v.sub(v.sub(load(a.x), top), s)); // x − top first: exact where it matters
      store(a.y, t);
    });
    for (const p of [a.x, a.y]) p.set(add(p, stride));
  });
});

const logSoftmaxGrad = kernel('logSoftmaxGrad', backward, (f, a) => {
  const { exp } = vectorMath(f);
  const { i, j, stride } = f.ints('i j stride');
  const { s, t } = f.vectors('s t');
  stride.set(bytes(a.n));
  for (const p of [a.y, a.g, a.dst]) p.set(rowAt(p, a.begin, stride));
  f.for(i, a.begin, a.end, 1, () => {
    s.set(v.const(0));
    eachFour(f, j, a.n, ({ load, live }) => s.set(v.add(s, live(load(a.g), v.const(0)))));
    s.set(v.splat(sum4(s)));
    eachFour(f, j, a.n, ({ load, store }) => {
      t.set(exp(load(a.y)));
      t.set(v.sub(load(a.g), v.mul(t, s)));
      store(a.dst, t);
    });
    for (const p of [a.y, a.g, a.dst]) p.set(add(p, stride));
  });
});

export const kernels = [softmax, softmaxGrad, logSoftmax, logSoftmaxGrad];

/** How a result y of rows is shared among threads. */
function rowsOf({ shape }: { readonly shape: readonly number[] }) {
  const [size, n] = [numel(shape), shape.at(-1)!];
  return { n, launch: { items: size === 0 ? 0 : size / n, work: 10 * size } };
}
const forwardRoutine =
  (kernel: Kernel<Record<'x' | 'y' | 'n', 'i32'>>): Routine =>
  (cpu, y, x) => {
    const { n, launch } = rowsOf(y);
    cpu.parallel(kernel, launch, { x: ref(x).at, y: y.at, n });
  };
const backwardRoutine =
  (kernel: Kernel<Record<'y' | 'g' | 'dst' | 'n', 'i32'>>): Routine =>
  (cpu, dst, y, g) => {
    const { n, launch } = rowsOf(dst);
    cpu.parallel(kernel, launch, { y: ref(y).at, g: ref(g).at, dst: dst.at, n });
  };

export const routines: Readonly<Record<string, Routine>> = {
  /** y = e^x / Σ e^x over the last axis */
  softmax: forwardRoutine(softmax),
  /** y (g − Σ y g), from the result y */
  softmaxGrad: backwardRoutine(softmaxGrad),
  /** x − log Σ e^x */
  logSoftmax: forwardRoutine(logSoftmax),
  /** g − e^y Σ g, from the result y */
  logSoftmaxGrad: backwardRoutine(logSoftmaxGrad),
};
