/** Distances and the nearest codebook entry. */

import { ShapeError } from '../errors.ts';
import { loopSum } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add, mul, square, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { transpose } from './movement.ts';
import { sum } from './reduce.ts';

/**
 * Position of the nearest codebook entry, argmin_j ‖z_i‖² + ‖e_j‖² − 2 z_i·e_j; the first of equals wins.
 *
 * @param z         [rows, dim]
 * @param codebook  [entries, dim]
 * @returns int32 [rows]; no gradient
 */
export const nearestCode: Op<[z: Tensor, codebook: Tensor]> = defineOp<[z: Tensor, codebook: Tensor]>({
  name: 'nearestCode',
  dtype: 'int32',
  shape: (z, codebook) => {
    if (z.length !== 2 || codebook.length !== 2 || z[1] !== codebook[1]) {
      throw new ShapeError(
        `nearestCode: expected z [rows, dim] and codebook [entries, dim], got z ${show(z)} and codebook ${show(codebook)}.`,
      );
    }
    return [z[0]];
  },
  vjp: () => null,
  kernel: (_, [R, D], [V]) => {
    const norm = (name: string) =>
      `let s = 0.0; ${loopSum(D, `${name}[this.thread.x * ${D} + i] * ${name}[this.thread.x * ${D} + i]`)} return s;`;
    return [
      { name: 'zz', out: [R], inputs: { z: 0 }, body: norm('z') },
      { name: 'ee', out: [V], inputs: { e: 1 }, body: norm('e') },
      {
        out: [R],
        inputs: { z: 0, e: 1, zz: 'zz', ee: 'ee' },
        body:
          `let least = 3e38; let best = 0.0; for (let j = 0; j < ${V}; j++) { let s = 0.0; ${loopSum(D, `z[this.thread.x * ${D} + i] * e[j * ${D} + i]`)} ` +
          'let d = zz[this.thread.x] + ee[j] - 2.0 * s; if (d < least) { least = d; best = j; } } return best;',
      },
    ];
  },
});

/** ‖a_i‖² + ‖b_j‖² − 2 a_i·b_j. a [m, d], b [n, d] → [m, n] */
export const squaredDistances = (a: Tensor, b: Tensor): Tensor =>
  sub(add(sum(square(a), -1, true), transpose(sum(square(b), -1, true))), mul(matmul(a, b, { transposeB: true }), 2));
