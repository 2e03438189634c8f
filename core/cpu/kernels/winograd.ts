/**
 * 3×3 convolutions of stride 1 in 16 multiplications for each 2×2 results where the plain sum has 36: F(2×2, 3×3) of
 * Lavin and Gray 2016, "Fast algorithms for convolutional neural networks", arXiv:1509.09308, eq. 8–12.
 *
 *      y = Aᵀ [ (G w Gᵀ) ∘ (Bᵀ x B) ] A          x: tiles of 4×4 that overlap by two, y: tiles of 2×2
 *
 * summed over channels, ∘ becomes 16 matrix products, one for each place of the 4×4:
 *
 *      results, plane k:       M_k = U_k V_k       [outs, ins] · [ins, tiles]        U = G w Gᵀ    V = Bᵀ x B
 *      gradient of w:         dU_k = D_k V_kᵀ      [outs, tiles] · [tiles, ins]      D = A g Aᵀ   dw = Gᵀ dU G
 *
 * Four neighboring tiles, a *group*, are transformed at once, one in each lane; images come framed to whole groups.
 * Errors grow by a factor of two or three; an infinity makes NaN of all the tiles that it meets.
 */
import { SCRATCH_FLOATS } from '../kernel.ts';
import type { Cpu } from '../routine.ts';
import { ADDEND, EDGE_BYTES } from './gemm.ts';
import { winogradProducts, winogradResult, winogradTransforms } from './winograd-kernels.ts';
import { GAP, PLANES, planesOf } from './winograd-tiles.ts';
import { transformWeightGradient, transformWeights } from './winograd-weights.ts';

/** Groups of a result: per row, rows of tiles per image, and in all. */
export const tiling = (N: number, oh: number, ow: number) => {
  const [wide, high] = [Math.ceil(ow / 8), Math.ceil(oh / 2)];
  return { wide, high, groups: N * wide * high };
};

/** Groups of a block whose V and M fit scratch, in pairs that fill a panel. */
const blockOf = (ins: number, outs: number): number =>
  Math.floor((SCRATCH_FLOATS - EDGE_BYTES / 4 - 2 * PLANES * GAP) / (PLANES * 4 * (ins + outs))) & ~1;

/**
 * True where the 16 products and the transforms cost less than the plain sum. Counted in vector operations: of a group
 * of four tiles per channel, and of the weights (`bench models`).
 */
export function winogradPays(ins: number, outs: number, N: number, oh: number, ow: number): boolean {
  if (blockOf(ins, outs) < 2) return false;
  const { groups } = tiling(N, oh, ow);
  const plain = (9 * ins * outs * N * oh * ow) / 8;
  const products = (PLANES * ins * outs * 4 * groups) / 8;
  return products + groups * 50 * (ins + outs) + 20 * ins * outs < 0.8 * plain;
}

/** Planes of framed images: address, and bytes between images, channels, rows. */
export interface Frames {
  readonly at: number;
  readonly image: number;
  readonly plane: number;
  readonly row: number;
}

/**
 * y [N, outs, oh, ow] = w ∗ x + bias; w [outs, ins, 3, 3], or `flipped`: [ins, outs, 3, 3], each filter read backwards.
 */
export function convolve(
  cpu: Cpu,
  x: Frames,
  w: number,
  bias: number,
  y: number,
  [N, outs, oh, ow]: readonly [number, number, number, number],
  ins: number,
  flipped: boolean,
): void {
  const { wide, high, groups } = tiling(N, oh, ow);
  const u = cpu.alloc(planesOf(outs, ins));
  const [outStride, inStride] = flipped ? [36, 36 * outs] : [36 * ins, 36];
  const weights = { w, u, outs, ins, outStride, inStride, flipped: flipped ? 1 : 0 };
  cpu.parallel(transformWeights, { items: outs, work: 80 * outs * ins }, weights);
  // of the blocks that fit, the largest that leaves the busiest thread the least
  let block = blockOf(ins, outs);
  const most = (block: number) => Math.ceil(Math.ceil(groups / block) / cpu.threads) * block;
  for (let smaller = block - 2; smaller >= 4; smaller -= 2) if (most(smaller) < most(block)) block = smaller;
  cpu.parallel(
    winogradResult,
    { items: Math.ceil(groups / block), work: PLANES * 4 * groups * ins * outs },
    {
      x: x.at,
      u,
      bias,
      y,
      image: x.image,
      plane: x.plane,
      row: x.row,
      wide,
      high,
      groups,
      block,
      ins,
      outs,
      oh,
      ow,
    },
  );
  cpu.free(u, planesOf(outs, ins));
}

/** Groups at a time: V and D of 64 channels each take 2 MB. */
const CHUNK = 64;

/** dw [outs, ins, 3, 3] from images x and gradients g of the result [N, outs, oh, ow], both framed. */
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
    cpu.parallel(
      winogradTransforms,
      { items: count, work: 200 * count * (ins + outs) },
      {
        x: x.at,
        g: g.at,
        V,
        D,
        image: x.image,
        plane: x.plane,
        row: x.row,
        gImage: g.image,
        gPlane: g.plane,
        gRow: g.row,
        wide,
        high,
        start,
        count,
        ins,
        outs,
      },
    );
    const addend = start === 0 ? ADDEND.nothing : ADDEND.c;
    const launch = { items: PLANES, work: sizes.u * 4 * count };
    cpu.parallel(winogradProducts, launch, { V, D, u, tiles: 4 * count, ins, outs, addend });
  }
  cpu.parallel(transformWeightGradient, { items: outs, work: 80 * outs * ins }, { u, w: dw, outs, ins });
  cpu.free(u, sizes.u);
  cpu.free(V, sizes.V);
  cpu.free(D, sizes.D);
}
