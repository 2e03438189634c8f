/** Distances, and the nearest codebook entry. */

import { ShapeError } from '../errors.ts';
import { literal } from '../formula.ts';
import { loopSum } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, mul, square, sub } from './elementwise.ts';
import { checkPositions } from './ids.ts';
import { matmul } from './matmul.ts';
import { transpose } from './movement.ts';
import { sum } from './reduce.ts';

/** Largest float32: kernels cannot write infinity. */
const LARGEST = 3.4028234663852886e38;

/**
 * Index of the nearest codebook entry for each row of z: argmin_j ‖z_i‖² + ‖e_j‖² − 2 z_i·e_j, where ‖z_i‖² is the same
 * for all j and left out. The first of equals wins; a distance that is NaN is never the least, and where all are, the
 * result is 0. It has no gradient.
 *
 * @param z         [rows, dim]
 * @param codebook  [entries, dim]
 * @returns         int32 [rows], in 0..entries−1
 * @throws ShapeError when the shapes do not fit
 */
export const nearestCode: Op<[z: Tensor, codebook: Tensor]> = defineOp<[z: Tensor, codebook: Tensor]>({
  name: 'nearestCode',
  dtype: 'int32',
  shape: (z, codebook) => {
    if (z.length !== 2 || codebook.length !== 2 || z[1] !== codebook[1] || codebook[0] === 0) {
      throw new ShapeError(
        `nearestCode: expected z [rows, dim] and codebook [entries, dim], got z ${show(z)} and codebook ${show(codebook)}.`,
      );
    }
    checkPositions('nearestCode', codebook[0]);
    return [z[0]];
  },
  vjp: () => null,
  kernel: (_, [R, D], [V]) => {
    const z = (i: string) => `z[this.thread.x * ${D} + ${i}]`;
    const e = (row: string, i: string) => `e[${row} * ${D} + ${i}]`;
    const own = (i: string) => e('this.thread.x', i);
    return [
      {
        name: 'ee',
        out: [V],
        inputs: { e: 1 },
        body: `
          let s = 0.0;
          ${loopSum(D, (i) => `${own(i)} * ${own(i)}`)}
          return s;`,
      },
      {
        out: [R],
        inputs: { z: 0, e: 1, ee: 'ee' },
        body: `
          let least = ${literal(LARGEST)};
          let best = 0.0;
          for (let j = 0; j < ${V}; j++) {
            let s = 0.0;
            ${loopSum(D, (i) => `${z(i)} * ${e('j', i)}`)}
            let d = ee[j] - 2.0 * s;
            if (d < least) {
              least = d;
              best = j;
            }
          }
          return best;`,
      },
    ];
  },
});

/**
 * Squared distances of all rows of a to all rows of b: y_ij = ‖a_i‖² + ‖b_j‖² − 2 a_i·b_j. Small ones lose digits to the
 * difference of large numbers, and may be below 0. PyTorch's `cdist` squared.
 *
 * @param a [m, d]    @param b [n, d]    @returns [m, n]
 * @throws ShapeError when the shapes do not fit
 */
export const squaredDistances = (a: Tensor, b: Tensor): Tensor =>
  sub(add(sum(square(a), -1, true), transpose(sum(square(b), -1, true))), mul(matmul(a, b, { transposeB: true }), 2));
