/**
 * 3×3 convolutions of stride 1 in 16 multiplications for each 2×2 results where the plain sum has 36: F(2×2, 3×3) of Lavin
 * and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308, eq. 8–12.
 *
 *      y = Aᵀ [ (G w Gᵀ) ∘ (Bᵀ x B) ] A          x: tiles of 4×4 that overlap by two, y: tiles of 2×2
 *
 * summed over channels, ∘ becomes 16 matrix products, one for each place of the 4×4:
 *
 *      results, plane k:       M_k = U_k V_k       [outs, ins] · [ins, tiles]        U = G w Gᵀ    V = Bᵀ x B
 *      gradient of w:         dU_k = D_k V_kᵀ      [outs, tiles] · [tiles, ins]      D = A g Aᵀ   dw = Gᵀ dU G
 *
 * Four neighboring tiles, a *group*, are worked on at once, one in each lane; pictures come framed to whole groups. Errors
 * grow by a factor of two or three; an infinity makes NaN of all the tiles that it meets.
 */
import { i32 } from '../emitter.ts';
import type { KernelBuilder } from '../kernel-builder.ts';
import { type Cpu, SCRATCH_FLOATS } from '../routine.ts';
import { ADD, EDGE_BYTES } from './gemm.ts';
import { ints } from './locals.ts';
import { GAP, PLANES, planeBytes, planesOf } from './winograd-transforms.ts';

const at = i32.add;
const c = i32.const;

export const routines = {};
export function define(k: KernelBuilder): void {
  const pictures = 'image plane row wide high groups block';
  // items: blocks of groups
  k.def('winograd', `begin end scratch x u bias y ${pictures} ins outs oh ow`, (f, a, L) => {
    const { i, first, n, plane, V, M, stepV, stepM, row } = ints(L, 'i first n plane V M stepV stepM row');
    row.set(i32.shl(a.block, c(4)));
    stepV.set(planeBytes(a.ins, i32.and(at(i32.shl(a.block, c(2)), c(7)), c(-8)))); // V stands in panels of 8 columns
    stepM.set(planeBytes(a.outs, i32.shl(a.block, c(2))));
    V.set(at(a.scratch, c(EDGE_BYTES)));
    M.set(at(V, i32.mul(c(PLANES), stepV)));
    f.for(i, a.begin, a.end, c(1), () => {
      first.set(i32.mul(i, a.block));
      n.set(i32.min(a.block, i32.sub(a.groups, first)));
      f.do(
        k.call('winograd_input', a.x, a.ins, a.image, a.plane, a.row, a.wide, a.high, first, n, V, stepV, c(32), c(1)),
      );
      f.loop(plane, c(PLANES), 1, () => {
        const U = at(a.u, i32.mul(plane, planeBytes(a.outs, a.ins)));
        const [from, to] = [at(V, i32.mul(plane, stepV)), at(M, i32.mul(plane, stepM))];
        f.do(
          k.call(
            'block_row',
            a.outs,
            i32.shl(n, c(2)),
            a.ins,
            U,
            i32.shl(a.ins, c(2)),
            from,
            i32.shl(a.ins, c(5)),
            to,
            row,
            c(ADD.nothing),
            c(0),
            a.scratch,
          ),
        );
      });
      f.do(k.call('winograd_output', M, a.y, a.bias, a.outs, a.oh, a.ow, a.wide, a.high, first, n, stepM, row));
    });
  });
  // V and D of `count` groups from `start` on; items: those groups
  const grads = 'gImage gPlane gRow wide high start count';
  k.def('winograd_rows', `begin end scratch x g V D image plane row ${grads} ins outs`, (f, a, L) => {
    const { row, first, n, offset } = ints(L, 'row first n offset');
    row.set(i32.shl(a.count, c(4)));
    first.set(at(a.start, a.begin));
    n.set(i32.sub(a.end, a.begin));
    offset.set(i32.shl(a.begin, c(4)));
    f.do(
      k.call('winograd_input', a.x, a.ins, a.image, a.plane, a.row, a.wide, a.high, first, n, at(a.V, offset), planeBytes(a.ins, i32.shl(a.count, c(2))), row, c(0)),
      k.call('winograd_output_gradient', a.g, a.outs, a.gImage, a.gPlane, a.gRow, a.wide, a.high, first, n, at(a.D, offset), planeBytes(a.outs, i32.shl(a.count, c(2))), row, c(0)),
    ); // biome-ignore format: two calls
  });
  // dU_k (+)= D_k V_kᵀ; items: planes
  k.def('winograd_planes', 'begin end scratch V D u tiles ins outs add', (f, a, L) => {
    const { i, row, column } = ints(L, 'i row column');
    row.set(i32.shl(a.tiles, c(2)));
    column.set(i32.shl(a.ins, c(2)));
    f.for(i, a.begin, a.end, c(1), () => {
      const [V, D] = [
        at(a.V, i32.mul(i, planeBytes(a.ins, a.tiles))),
        at(a.D, i32.mul(i, planeBytes(a.outs, a.tiles))),
      ];
      const U = at(a.u, i32.mul(i, planeBytes(a.outs, a.ins)));
      f.do(k.call('large_row', a.outs, a.ins, a.tiles, D, row, V, c(4), row, U, column, a.add, c(0), a.scratch));
    });
  });
}

// ---- what conv.ts asks for ----------------------------------------------------------------------------------------

/** Groups of a result: to a row, rows of tiles to a picture, and in all. */
export const tiling = (N: number, oh: number, ow: number) => {
  const [wide, high] = [Math.ceil(ow / 8), Math.ceil(oh / 2)];
  return { wide, high, groups: N * wide * high };
};

/** Groups of a block whose V and M fit the scratch, in pairs that fill a panel. */
const blockOf = (ins: number, outs: number): number =>
  Math.floor((SCRATCH_FLOATS - EDGE_BYTES / 4 - 2 * PLANES * GAP) / (PLANES * 4 * (ins + outs))) & ~1;

/**
 * True where the 16 products and the transforms cost less than the plain sum, counted in vector operations: those of a
 * group of four tiles per channel, and those of the weights (`bench models`).
 */
export function winogradPays(ins: number, outs: number, N: number, oh: number, ow: number): boolean {
  if (blockOf(ins, outs) < 2) return false;
  const { groups } = tiling(N, oh, ow);
  const plain = (9 * ins * outs * N * oh * ow) / 8;
  const products = (PLANES * ins * outs * 4 * groups) / 8;
  return products + groups * 50 * (ins + outs) + 20 * ins * outs < 0.8 * plain;
}

/** Planes of framed pictures: address, and bytes of a picture, a channel, a row. */
export interface Frames {
  readonly at: number;
  readonly image: number;
  readonly plane: number;
  readonly row: number;
}

/** y [N, outs, oh, ow] = w ∗ x + bias; w [outs, ins, 3, 3], or, read backwards in each kernel, [ins, outs, 3, 3] */
export function convolve(
  cpu: Cpu,
  x: Frames,
  w: number,
  bias: number,
  y: number,
  [N, outs, oh, ow]: readonly [number, number, number, number],
  ins: number,
  turned: boolean,
): void {
  const { wide, high, groups } = tiling(N, oh, ow);
  const u = cpu.alloc(planesOf(outs, ins));
  const steps = turned ? [36, 36 * outs, 1] : [36 * ins, 36, 0];
  cpu.parallel('winograd_weights', outs, 80 * outs * ins, [w, u, outs, ins, ...steps]);
  let block = blockOf(ins, outs); // the largest of those that leave the busiest thread the least
  const most = (block: number) => Math.ceil(Math.ceil(groups / block) / cpu.threads) * block;
  for (let smaller = block - 2; smaller >= 4; smaller -= 2) if (most(smaller) < most(block)) block = smaller;
  cpu.parallel('winograd', Math.ceil(groups / block), PLANES * 4 * groups * ins * outs, [
    x.at, u, bias, y, x.image, x.plane, x.row, wide, high, groups, block, ins, outs, oh, ow,
  ]); // biome-ignore format: one line
  cpu.free(u, planesOf(outs, ins));
}

/** Groups at a time: V and D of 64 channels each take 2 MB. */
const CHUNK = 64;

/** dw [outs, ins, 3, 3] from pictures x and gradients g of the result [N, outs, oh, ow], both framed. */
export function weightGradient(
  cpu: Cpu,
  x: Frames,
  g: Frames,
  dw: number,
  [N, outs, oh, ow]: readonly [number, number, number, number],
  ins: number,
): void {
  const { wide, high, groups } = tiling(N, oh, ow);
  const sizes = { u: planesOf(outs, ins), V: planesOf(ins, 4 * CHUNK), D: planesOf(outs, 4 * CHUNK) };
  const [u, V, D] = [cpu.alloc(sizes.u), cpu.alloc(sizes.V), cpu.alloc(sizes.D)];
  for (let start = 0; start < groups; start += CHUNK) {
    const count = Math.min(CHUNK, groups - start);
    cpu.parallel('winograd_rows', count, 200 * count * (ins + outs), [
      x.at, g.at, V, D, x.image, x.plane, x.row, g.image, g.plane, g.row, wide, high, start, count, ins, outs,
    ]); // biome-ignore format: one line
    const add = start === 0 ? ADD.nothing : ADD.c;
    cpu.parallel('winograd_planes', PLANES, sizes.u * 4 * count, [V, D, u, 4 * count, ins, outs, add]);
  }
  cpu.parallel('winograd_weight_gradient', outs, 80 * outs * ins, [u, dw, outs, ins]);
  for (const [at, floats] of [[u, sizes.u], [V, sizes.V], [D, sizes.D]] as const) cpu.free(at, floats); // biome-ignore format: one line
}
