/** Cross-entropy of logits against class ids. */
import { expectKnown, expectOption, ShapeError } from '../errors.ts';
import { literal } from '../formula.ts';
import { loopSum, when, wholeIndex } from '../kernel-source.ts';
import { defineOp, expectTensors, type Op } from '../op.ts';
import { numel, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { equal, less, lessEqual, mul, sub, where } from './elementwise.ts';
import { checkIds, expectIds } from './ids.ts';
import { equalIds } from './indexing.ts';
import { reshape, unsqueeze } from './movement.ts';
import { softmaxPass } from './reduce-passes.ts';
import { rowCell, rowsOf, softmax } from './softmax.ts';

/** Options of `crossEntropy`. */
export interface CrossEntropyOptions {
  /** s in 0..1: the share of the target that is spread over all classes. Default 0. */
  readonly smoothing?: number;
  /** Positions with this target have loss 0 and gradient 0. Default −100, as in PyTorch. */
  readonly ignoreIndex?: number;
}
type Smoothing = { smoothing: number };

/** Primitive behind `crossEntropy`: logits [R, V], target [R] → [R]; 0 where the target is outside of 0..V−1. */
const crossEntropyRows: Op<[logits: Tensor, target: Tensor, options: Smoothing]> = defineOp({
  name: 'crossEntropy',
  shape: (logits) => logits.slice(0, -1),
  vjp: ({ g }, logits, target, options) => [() => crossEntropyGrad(logits, target, g, options)],
  kernel: (_, x, _target, { smoothing }) => {
    const { n, rows } = rowsOf(x);
    const [m, z, target] = ['mz[this.thread.x]', `mz[${rows} + this.thread.x]`, 't[this.thread.x]'];
    const below = (i: string) => `(${m} - x[this.thread.x * ${n} + ${i}])`;
    const own = below(wholeIndex(target, numel(x)));
    const all = `
      ${loopSum(n, below)}
      loss += ${literal(smoothing / n)} * s;`;
    // log z + (1 − s)(m − x_t) + s/V Σ (m − x). Terms of weight 0 are left out: a logit may be −∞
    const found = `
      loss = Math.log(${z});
      ${smoothing < 1 ? `loss += ${literal(1 - smoothing)} * ${own};` : ''}
      ${smoothing > 0 ? all : ''}`;
    const body = `
      let s = 0.0;
      let loss = 0.0;
      ${when([`${target} >= 0`, `${target} < ${n}`], found)}
      return loss;`;
    return [softmaxPass('x', 0, rows, n), { out: [rows], inputs: { x: 0, t: 1, mz: 'mz' }, body }];
  },
});

/** Gradient of cross-entropy: dx_v = g (softmax(x)_v − (1 − s)[v = t] − s/V); 0 where t is outside of 0..V−1. */
export const crossEntropyGrad: Op<[logits: Tensor, target: Tensor, g: Tensor, options: Smoothing]> = defineOp({
  name: 'crossEntropyGrad',
  shape: (logits) => logits,
  vjp: ({ through }, logits, target, g, { smoothing }) => {
    const n = logits.shape.at(-1)!;
    const counts = unsqueeze(mul(lessEqual(0, target), less(target, n)), -1);
    const [dx, dg] = through(
      (x, g) => {
        const d = sub(sub(softmax(x), mul(equalIds(target, n), 1 - smoothing)), smoothing / n);
        return where(counts, mul(unsqueeze(g, -1), d), 0);
      },
      logits,
      g,
    );
    return [dx!, null, dg!];
  },
  kernel: (_, x, _target, _g, { smoothing }) => {
    const { n, rows } = rowsOf(x);
    const target = 't[this.thread.y]';
    const found = `
      const p = Math.exp(${rowCell('x', n)} - mz[this.thread.y]) / mz[${rows} + this.thread.y];
      const wanted = (this.thread.x == ${target} ? ${literal(1 - smoothing)} : 0.0);
      d = g[this.thread.y] * (p - wanted - ${literal(smoothing / n)});`;
    const body = `
      let d = 0.0;
      ${when([`${target} >= 0`, `${target} < ${n}`], found)}
      return d;`;
    return [softmaxPass('x', 0, rows, n), { out: [n, rows], inputs: { x: 0, t: 1, g: 2, mz: 'mz' }, body }];
  },
});

/**
 * Cross-entropy of each position against a class id, with label smoothing s:
 *
 *   y = (1 − s)(−log p_t) + s · mean_v(−log p_v),   p = softmax(logits)
 *
 * As PyTorch's `cross_entropy` with reduction 'none' and classes on the last axis: take the mean for a loss. A forbidden
 * class may have the logit −∞. Ignored positions count as 0 in a sum; for PyTorch's mean over the others divide by their
 * number: `y.sum().div(count)`.
 *
 * @param logits   [..., V]
 * @param target   int32 [...], ids in 0..V−1 or `ignoreIndex`
 * @returns        [...]
 * @throws ShapeError when target is not shaped like logits without the last axis, and on `cpu` and `reference` when an id is
 *   out of range (other devices ignore its position); TypeError when target is not int32; OptionError for smoothing
 *   outside of 0..1
 * @see Szegedy et al. 2015, arXiv:1512.00567, for label smoothing
 */
export function crossEntropy(logits: Tensor, target: Tensor, options: CrossEntropyOptions = {}): Tensor {
  expectKnown('crossEntropy', options, ['smoothing', 'ignoreIndex']);
  const { smoothing = 0, ignoreIndex = -100 } = options;
  expectOption(smoothing >= 0 && smoothing <= 1, 'crossEntropy, smoothing', 'a number in 0..1', smoothing);
  expectOption(Number.isInteger(ignoreIndex), 'crossEntropy, ignoreIndex', 'a whole number', ignoreIndex);
  expectTensors('crossEntropy', logits);
  expectIds('crossEntropy', target);
  if (logits.rank < 1 || !sameShape(logits.shape.slice(0, -1), target.shape)) {
    throw new ShapeError(
      `crossEntropy: expected logits [..., V] and target [...], got logits ${show(logits.shape)} and target ${show(target.shape)}.`,
    );
  }
  const classes = logits.shape.at(-1)!;
  checkIds('crossEntropy', target, classes, `logits ${show(logits.shape)}`, ignoreIndex);
  const isClass = ignoreIndex >= 0 && ignoreIndex < classes;
  const ids = isClass ? withoutClass(target, ignoreIndex) : target;
  const size = target.size;
  return reshape(crossEntropyRows(reshape(logits, [size, classes]), reshape(ids, [size]), { smoothing }), target.shape);
}

/** Ids with −1 in place of a class. */
const withoutClass = (ids: Tensor, ignored: number): Tensor =>
  where(equal(ids, ignored), -1, ids).alias(ids.shape, undefined, 'int32');
