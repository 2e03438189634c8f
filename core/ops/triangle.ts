/** Triangles of matrices, for masks: `tril(ones([n, n]))` lets token i attend to tokens 0..i. */
import { arange } from '../create.ts';
import { ShapeError } from '../errors.ts';
import { expectWhole, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, lessEqual, where } from './elementwise.ts';
import { unsqueeze } from './movement.ts';

/**
 * Lower triangle of the last two axes: x_ij where j ≤ i + diagonal, 0 elsewhere.
 *
 * @param diagonal  0 keeps the main diagonal, 1 also the one above it, −1 begins below it
 * @throws ShapeError when x has fewer than two axes
 */
export function tril(x: Tensor, diagonal = 0): Tensor {
  return where(onOrBelow('tril', x, diagonal), x, 0);
}

/**
 * Upper triangle of the last two axes: x_ij where j ≥ i + diagonal, 0 elsewhere.
 *
 * @param diagonal  0 keeps the main diagonal, 1 begins above it, −1 also keeps the one below it
 * @throws ShapeError when x has fewer than two axes
 */
export function triu(x: Tensor, diagonal = 0): Tensor {
  return where(onOrBelow('triu', x, diagonal - 1), 0, x);
}

/** 1 where j ≤ i + diagonal, [rows, columns]. */
function onOrBelow(op: string, x: Tensor, diagonal: number): Tensor {
  if (x.rank < 2) throw new ShapeError(`${op}: expected x [..., rows, columns], got ${show(x.shape)}.`);
  expectWhole(op, 'the diagonal', [diagonal]);
  const [rows, columns] = x.shape.slice(-2).map((n) => arange(n, { device: x.device }));
  return lessEqual(columns, add(unsqueeze(rows, -1), diagonal));
}
