/** Softmax, its logarithm, and log Σ e^x. */
import { loopSum } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { numel, type Shape } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { abs, add, exp, less, log, mul, sub, where } from './elementwise.ts';
import { expectValues, max } from './extremes.ts';
import { alongAxis, stopGradient } from './movement.ts';
import { axesOf, dropAxes, sum } from './reduce.ts';
import { softmaxPass } from './reduce-passes.ts';

/** x as rows of its last axis. */
export const rowsOf = (x: Shape): { n: number; rows: number } => ({ n: x.at(-1)!, rows: numel(x.slice(0, -1)) });
/** The value of thread x, y in an array of rows. */
export const rowCell = (array: string, n: number): string => `${array}[this.thread.y * ${n} + this.thread.x]`;

/**
 * A primitive of each row: y = f(x, m, z), with the row's maximum m and z = Σ e^(x − m).
 *
 * @param f  source of one value, made of the sources of x, m and z
 */
function fromSoftmaxPass(
  name: string,
  grad: Op<[y: Tensor, g: Tensor]>,
  f: (x: string, m: string, z: string) => string,
): Op<[x: Tensor]> {
  return defineOp<[x: Tensor]>({
    name,
    shape: (x) => x,
    vjp: ({ g, y }) => [() => grad(y, g)],
    kernel: (_, x) => {
      const { n, rows } = rowsOf(x);
      const body = `return ${f(rowCell('x', n), 'mz[this.thread.y]', `mz[${rows} + this.thread.y]`)};`;
      return [softmaxPass('x', 0, rows, n), { out: [n, rows], inputs: { x: 0, mz: 'mz' }, body }];
    },
  });
}

/**
 * A gradient from the result y: dx = f(y, g, s), with one sum s per row.
 *
 * @param composite  the same from other ops, for second derivatives
 * @param term       source of a term of s; reads y and g, or g alone
 * @param f          source of one value, made of the sources of y, g and s
 */
function fromRowSum(
  name: string,
  composite: (y: Tensor, g: Tensor) => Tensor,
  term: { inputs: Readonly<Record<string, number>>; source: (y: string, g: string) => string },
  f: (y: string, g: string, s: string) => string,
): Op<[y: Tensor, g: Tensor]> {
  return defineOp<[y: Tensor, g: Tensor]>({
    name,
    shape: (y) => y,
    vjp: ({ through }, y, g) => through(composite, y, g),
    kernel: (_, y) => {
      const { n, rows } = rowsOf(y);
      const entry = (array: string, i: string) => `${array}[this.thread.x * ${n} + ${i}]`;
      return [
        {
          name: 's',
          out: [rows],
          inputs: term.inputs,
          body: `
            let s = 0.0;
            ${loopSum(n, (i) => term.source(entry('y', i), entry('g', i)))}
            return s;`,
        },
        {
          out: [n, rows],
          inputs: { y: 0, g: 1, s: 's' },
          body: `return ${f(rowCell('y', n), rowCell('g', n), 's[this.thread.y]')};`,
        },
      ];
    },
  });
}

/** Gradient of softmax from its result: dx = y (g − Σ y g). */
export const softmaxGrad: Op<[y: Tensor, g: Tensor]> = fromRowSum(
  'softmaxGrad',
  (y, g) => mul(y, sub(g, sum(mul(y, g), -1, true))),
  { inputs: { y: 0, g: 1 }, source: (y, g) => `${y} * ${g}` },
  (y, g, s) => `${y} * (${g} - ${s})`,
);

/** Gradient of log-softmax from its result: dx = g − e^y Σ g. */
export const logSoftmaxGrad: Op<[y: Tensor, g: Tensor]> = fromRowSum(
  'logSoftmaxGrad',
  (y, g) => sub(g, mul(exp(y), sum(g, -1, true))),
  { inputs: { g: 1 }, source: (_, g) => g },
  (y, g, s) => `${g} - Math.exp(${y}) * ${s}`,
);

/** Primitive behind `softmax`; last axis only. */
const softmaxRows = fromSoftmaxPass('softmax', softmaxGrad, (x, m, z) => `Math.exp(${x} - ${m}) / ${z}`);
/** Primitive behind `logSoftmax`; last axis only. */
const logSoftmaxRows = fromSoftmaxPass('logSoftmax', logSoftmaxGrad, (x, m, z) => `${x} - ${m} - Math.log(${z})`);

/**
 * Softmax along an axis, the last by default: y = e^x / Σ e^x, positive and with sum 1. The maximum is subtracted first,
 * so large values do not overflow.
 *
 * @throws ShapeError when x is a scalar or the axis does not exist
 */
export const softmax = (x: Tensor, axis = -1): Tensor => alongAxis('softmax', x, axis, softmaxRows);

/**
 * Logarithm of softmax along an axis, the last by default: y = x − log Σ e^x. More exact than log(softmax(x)).
 *
 * @throws ShapeError when x is a scalar or the axis does not exist
 */
export const logSoftmax = (x: Tensor, axis = -1): Tensor => alongAxis('logSoftmax', x, axis, logSoftmaxRows);

/**
 * log Σ e^x along an axis, the last by default. The maximum is subtracted first, so large values do not overflow. −∞ where
 * all values are −∞, as in PyTorch.
 *
 * @param keepDims  keeps the axis with length 1
 * @throws ShapeError when the axis does not exist or has no values
 */
export function logsumexp(x: Tensor, axis = -1, keepDims = false): Tensor {
  expectValues('logsumexp', x.shape, axesOf('logsumexp', x.shape, axis));
  const top = stopGradient(max(x, axis, true));
  const m = where(less(abs(top), Infinity), top, 0); // ∞ − ∞ would be NaN
  const y = add(log(sum(exp(sub(x, m)), axis, true)), m);
  return keepDims ? y : dropAxes(y, axesOf('logsumexp', x.shape, axis));
}
