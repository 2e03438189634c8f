/** Softmax and cross-entropy over the last axis. */

import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { loopSum } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { normalizeAxis, numel, type Shape, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, exp, log, mul, sub } from './elementwise.ts';
import { equalIds } from './indexing.ts';
import { reshape, stopGradient, transpose, unsqueeze } from './movement.ts';
import { max, sum } from './reduce.ts';

/** One pass for the maximum m and z = Σ e^(x − m) of each row: mz[r] and mz[rows + r]. */
function rowPass(rows: number, n: number): Pass {
  const cell = `x[this.thread.x * ${n} + i]`;
  return {
    name: 'mz',
    out: [rows, 2],
    inputs: { x: 0 },
    body:
      `let m = x[this.thread.x * ${n}]; for (let i = 0; i < ${n}; i++) { m = Math.max(m, ${cell}); } ` +
      `let v = m; if (this.thread.y > 0) { v = 0.0; ${loopSum(n, `Math.exp(${cell} - m)`, 'i', 'v')} } return v;`,
  };
}
const rowsOf = (x: Shape) => ({ n: x.at(-1)!, rows: numel(x) / x.at(-1)! });
const rowCell = (name: string, n: number) => `${name}[this.thread.y * ${n} + this.thread.x]`;
const needsAxis = (op: string, x: Shape): Shape => {
  if (x.length === 0) throw new ShapeError(`${op}: expected at least one axis, got a scalar.`);
  return x;
};

/** Users call `softmax`. */
const softmaxRows: Op<[x: Tensor]> = defineOp({
  name: 'softmax',
  shape: (x) => needsAxis('softmax', x),
  vjp: ({ g, y }) => [() => softmaxGrad(y, g)],
  kernel: (_, x) => {
    const { n, rows } = rowsOf(x);
    return [
      rowPass(rows, n),
      {
        out: [n, rows],
        inputs: { x: 0, mz: 'mz' },
        body: `return Math.exp(${rowCell('x', n)} - mz[this.thread.y]) / mz[${rows} + this.thread.y];`,
      },
    ];
  },
});

/** y (g − Σ y g): the gradient of softmax from its result. */
export const softmaxGrad: Op<[y: Tensor, g: Tensor]> = defineOp({
  name: 'softmaxGrad',
  shape: (y) => y,
  vjp: ({ through }, y, g) => through((y, g) => mul(y, sub(g, sum(mul(y, g), -1, true))), y, g),
  kernel: (_, y) => {
    const { n, rows } = rowsOf(y);
    return [
      {
        name: 's',
        out: [rows],
        inputs: { y: 0, g: 1 },
        body: `let s = 0.0; ${loopSum(n, `y[this.thread.x * ${n} + i] * g[this.thread.x * ${n} + i]`)} return s;`,
      },
      {
        out: [n, rows],
        inputs: { y: 0, g: 1, s: 's' },
        body: `return ${rowCell('y', n)} * (${rowCell('g', n)} - s[this.thread.y]);`,
      },
    ];
  },
});

/** Users call `logSoftmax`. */
const logSoftmaxRows: Op<[x: Tensor]> = defineOp({
  name: 'logSoftmax',
  shape: (x) => needsAxis('logSoftmax', x),
  vjp: ({ g, y }) => [() => logSoftmaxGrad(y, g)],
  kernel: (_, x) => {
    const { n, rows } = rowsOf(x);
    return [
      rowPass(rows, n),
      {
        out: [n, rows],
        inputs: { x: 0, mz: 'mz' },
        body: `return ${rowCell('x', n)} - mz[this.thread.y] - Math.log(mz[${rows} + this.thread.y]);`,
      },
    ];
  },
});

/** g − e^y Σ g: the gradient of log-softmax from its result. */
export const logSoftmaxGrad: Op<[y: Tensor, g: Tensor]> = defineOp({
  name: 'logSoftmaxGrad',
  shape: (y) => y,
  vjp: ({ through }, y, g) => through((y, g) => sub(g, mul(exp(y), sum(g, -1, true))), y, g),
  kernel: (_, y) => {
    const { n, rows } = rowsOf(y);
    return [
      {
        name: 's',
        out: [rows],
        inputs: { g: 1 },
        body: `let s = 0.0; ${loopSum(n, `g[this.thread.x * ${n} + i]`)} return s;`,
      },
      {
        out: [n, rows],
        inputs: { y: 0, g: 1, s: 's' },
        body: `return ${rowCell('g', n)} - Math.exp(${rowCell('y', n)}) * s[this.thread.y];`,
      },
    ];
  },
});

const overAxis =
  (f: (x: Tensor) => Tensor, op: string) =>
  (x: Tensor, axis = -1): Tensor => {
    const a = normalizeAxis(op, axis, x.rank);
    return a === x.rank - 1 ? f(x) : transpose(f(transpose(x, a, -1)), a, -1);
  };

/** y = e^x / Σ e^x along an axis; shifted by the maximum, so that large logits do not overflow. */
export const softmax: (x: Tensor, axis?: number) => Tensor = overAxis(softmaxRows, 'softmax');
/** y = x − log Σ e^x along an axis. */
export const logSoftmax: (x: Tensor, axis?: number) => Tensor = overAxis(logSoftmaxRows, 'logSoftmax');

/** log Σ e^x along an axis, which is removed. */
export function logsumexp(x: Tensor, axis = -1, keepDims = false): Tensor {
  const m = stopGradient(max(x, axis, true));
  const y = add(log(sum(exp(sub(x, m)), axis, true)), m);
  return keepDims
    ? y
    : reshape(
        y,
        x.shape.filter((_, i) => i !== normalizeAxis('logsumexp', axis, x.rank)),
      );
}

type Smoothing = { smoothing: number };

/** Users call `crossEntropy`. logits [R, V], target [R] → [R] */
const crossEntropyRows: Op<[logits: Tensor, target: Tensor, options: Smoothing]> = defineOp({
  name: 'crossEntropy',
  shape: (logits) => logits.slice(0, -1),
  vjp: ({ g }, logits, target, options) => [() => crossEntropyGrad(logits, target, g, options)],
  kernel: (_, x, _target, { smoothing }) => {
    const { n, rows } = rowsOf(x);
    return [
      rowPass(rows, n),
      {
        out: [rows],
        inputs: { x: 0, t: 1, mz: 'mz' },
        body:
          `let hit = 0.0; let s = 0.0; for (let i = 0; i < ${n}; i++) { s += x[this.thread.x * ${n} + i]; if (i == t[this.thread.x]) { hit = x[this.thread.x * ${n} + i]; } } ` +
          `return mz[this.thread.x] + Math.log(mz[${rows} + this.thread.x]) - ${decimal(1 - smoothing)} * hit - ${decimal(smoothing / n)} * s;`,
      },
    ];
  },
});

/** g_r (softmax(x)_rv − (1 − s)[v = t_r] − s/V): the gradient of cross-entropy. */
export const crossEntropyGrad: Op<[logits: Tensor, target: Tensor, g: Tensor, options: Smoothing]> = defineOp({
  name: 'crossEntropyGrad',
  shape: (logits) => logits,
  vjp: ({ through }, logits, target, g, { smoothing }) => {
    const n = logits.shape.at(-1)!;
    const [dx, dg] = through(
      (x, g) => mul(unsqueeze(g, -1), sub(sub(softmax(x), mul(equalIds(target, n), 1 - smoothing)), smoothing / n)),
      logits,
      g,
    );
    return [dx!, null, dg!];
  },
  kernel: (_, x, _target, _g, { smoothing }) => {
    const { n, rows } = rowsOf(x);
    return [
      rowPass(rows, n),
      {
        out: [n, rows],
        inputs: { x: 0, t: 1, g: 2, mz: 'mz' },
        body:
          `const p = Math.exp(${rowCell('x', n)} - mz[this.thread.y]) / mz[${rows} + this.thread.y]; ` +
          `return g[this.thread.y] * (p - (this.thread.x == t[this.thread.y] ? ${decimal(1 - smoothing)} : 0.0) - ${decimal(smoothing / n)});`,
      },
    ];
  },
});

/** A literal that gpu.js reads as a float. */
function decimal(x: number): string {
  const text = String(x);
  return /[.e]/.test(text) ? text : `${text}.0`;
}

/**
 * Cross-entropy of each position against a class id, with label smoothing s:
 *
 *   (1 − s)(−log p_t) + s · mean_v(−log p_v)
 *
 * @param logits [..., V]    @param target int32 [...], ids in 0..V−1    @returns [...]; take its mean for a loss
 */
export function crossEntropy(logits: Tensor, target: Tensor, { smoothing = 0 }: Partial<Smoothing> = {}): Tensor {
  if (!sameShape(logits.shape.slice(0, -1), target.shape)) {
    throw new ShapeError(
      `crossEntropy: expected logits [..., V] and target [...], got logits ${show(logits.shape)} and target ${show(target.shape)}.`,
    );
  }
  if (target.dtype !== 'int32')
    throw new TypeError(
      `crossEntropy: expected int32 target ids, got ${target.dtype}. Make them with { dtype: 'int32' }.`,
    );
  const rows = crossEntropyRows(reshape(logits, [-1, logits.shape.at(-1)!]), reshape(target, [-1]), { smoothing });
  return reshape(rows, target.shape);
}
