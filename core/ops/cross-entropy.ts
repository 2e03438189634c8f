/** Cross-entropy of logits against class ids. */
import { ShapeError } from '../errors.ts';
import { literal } from '../formula.ts';
import { defineOp, type Op } from '../op.ts';
import { sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul, sub } from './elementwise.ts';
import { equalIds } from './indexing.ts';
import { reshape, unsqueeze } from './movement.ts';
import { softmaxPass } from './reduce-passes.ts';
import { rowCell, rowsOf, softmax } from './softmax.ts';

type Smoothing = { smoothing: number };

/** Primitive behind `crossEntropy`: logits [R, V], target [R] → [R]. */
const crossEntropyRows: Op<[logits: Tensor, target: Tensor, options: Smoothing]> = defineOp({
  name: 'crossEntropy',
  shape: (logits) => logits.slice(0, -1),
  vjp: ({ g }, logits, target, options) => [() => crossEntropyGrad(logits, target, g, options)],
  kernel: (_, x, _target, { smoothing }) => {
    const { n, rows } = rowsOf(x);
    const entry = `x[this.thread.x * ${n} + i]`;
    return [
      softmaxPass('x', 0, rows, n),
      // m + log z − (1 − s) x_t − s/V Σ x
      {
        out: [rows],
        inputs: { x: 0, t: 1, mz: 'mz' },
        body: `
          let hit = 0.0;
          let s = 0.0;
          for (let i = 0; i < ${n}; i++) {
            s += ${entry};
            if (i == t[this.thread.x]) { hit = ${entry}; }
          }
          return mz[this.thread.x] + Math.log(mz[${rows} + this.thread.x]) - ${literal(1 - smoothing)} * hit - ${literal(smoothing / n)} * s;`,
      },
    ];
  },
});

/** Gradient of cross-entropy: dx_v = g (softmax(x)_v − (1 − s)[v = t] − s/V). */
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
      softmaxPass('x', 0, rows, n),
      {
        out: [n, rows],
        inputs: { x: 0, t: 1, g: 2, mz: 'mz' },
        body: `
          const p = Math.exp(${rowCell('x', n)} - mz[this.thread.y]) / mz[${rows} + this.thread.y];
          const wanted = (this.thread.x == t[this.thread.y] ? ${literal(1 - smoothing)} : 0.0);
          return g[this.thread.y] * (p - wanted - ${literal(smoothing / n)});`,
      },
    ];
  },
});

/**
 * Cross-entropy of each position against a class id, with label smoothing s:
 *
 *   y = (1 − s)(−log p_t) + s · mean_v(−log p_v),   p = softmax(logits)
 *
 * As PyTorch's `cross_entropy` with reduction 'none' and classes on the last axis: take the mean for a loss.
 *
 * @param logits     [..., V]
 * @param target     int32 [...], ids in 0..V−1
 * @param smoothing  0..1, 0 by default (Szegedy et al. 2015, arXiv:1512.00567)
 * @returns          [...]
 * @throws ShapeError when target is not shaped like logits without the last axis; TypeError when it is not int32
 */
export function crossEntropy(logits: Tensor, target: Tensor, { smoothing = 0 }: { smoothing?: number } = {}): Tensor {
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
