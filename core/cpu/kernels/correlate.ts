/**
 * Correlation of images with filters, y = x ∗ w + bias: the convolution of neural networks, by the fastest of three
 * methods.
 */
import type { Cpu } from '../routine.ts';
import { conv } from './conv-products.ts';
import { convDepthwise } from './depthwise.ts';
import { framed, type Images, type Pair } from './frames.ts';
import { NC } from './gemm.ts';
import { convolve, type Frames, tiling, winogradPays } from './winograd.ts';

/** Weights [O, C/groups, kh, kw] and a bias [O]. */
export interface Filters {
  readonly at: number;
  /** 0: none. */
  readonly bias: number;
  readonly kh: number;
  readonly kw: number;
  readonly stride: Pair;
  readonly groups: number;
}

/** y = x ∗ filters + bias. `before`: rows and columns of zeros above and left of x; `size`: the size with all zeros. */
export function correlate(cpu: Cpu, x: Images, before: Pair, size: Pair, filters: Filters, y: Images): void {
  if (inTiles(filters, x.C, y)) correlateTiles(cpu, x, before, filters, y, false);
  else framed(cpu, x, before, size, (x) => correlateFramed(cpu, x, filters, y));
}

/** True for 3×3 filters of stride 1 that are faster in winograd.ts. */
export const inTiles = ({ kh, kw, stride: [sy, sx], groups }: Filters, ins: number, { N, C, H, W }: Images): boolean =>
  kh === 3 && kw === 3 && sy === 1 && sx === 1 && groups === 1 && winogradPays(ins, C, N, H, W);

/** `flipped`: rotates the filters by 180° and swaps their channels, as the gradient of the input needs them. */
export const correlateTiles = (
  cpu: Cpu,
  x: Images,
  before: Pair,
  filters: Filters,
  y: Images,
  flipped: boolean,
): void =>
  framedToTiles(cpu, x, before, y, 2, (frames) =>
    convolve(cpu, frames, filters.at, filters.bias, y.at, [y.N, y.C, y.H, y.W], x.C, flipped),
  );

/** Calls f with x framed to whole groups of tiles of y, `extra` values larger. */
export function framedToTiles(
  cpu: Cpu,
  x: Images,
  before: Pair,
  y: Images,
  extra: number,
  f: (x: Frames) => void,
): void {
  const { wide, high } = tiling(y.N, y.H, y.W);
  framed(cpu, x, before, [2 * high + extra, 8 * wide + extra], ({ at, C, H, W }) =>
    f({ at, image: 4 * C * H * W, plane: 4 * H * W, row: 4 * W }),
  );
}

/** Columns of a block, small enough that all threads have items. */
export const blockFor = (cpu: Cpu, products: number, columns: number): number =>
  products * Math.ceil(columns / NC) >= 4 * cpu.threads ? NC : 64;

/** y = x ∗ filters + bias, without padding. */
function correlateFramed(cpu: Cpu, x: Images, filters: Filters, y: Images): void {
  const { at: w, bias, kh, kw, stride, groups } = filters;
  const [ins, outs, pixels] = [x.C / groups, y.C / groups, y.H * y.W];
  const work = y.N * y.C * pixels * ins * kh * kw;
  if (ins === 1 && kh * kw > 1 && outs <= 2) {
    depthwise(cpu, x, filters, y, work);
    return;
  }
  const block = blockFor(cpu, y.N * groups, pixels);
  const blocks = Math.ceil(pixels / block);
  const products = y.N * groups * blocks;
  // the channels of one small image are shared among threads
  const height = products < cpu.threads ? Math.ceil((outs * products) / cpu.threads) : outs;
  const shares = Math.ceil(outs / height);
  const plane = 4 * x.H * x.W;
  cpu.parallel(
    conv,
    { items: products * shares, work },
    {
      x: x.at,
      w,
      bias,
      y: y.at,
      image: x.C * plane,
      group: ins * plane,
      plane,
      row: 4 * x.W,
      down: 4 * stride[0] * x.W,
      right: 4 * stride[1],
      groups,
      outs,
      depth: ins * kh * kw,
      kh,
      kw,
      pixels,
      oh: y.H,
      ow: y.W,
      block,
      blocks,
      height,
      shares,
    },
  );
}

function depthwise(
  cpu: Cpu,
  x: Images,
  { at: w, bias, kh, kw, stride, groups }: Filters,
  y: Images,
  work: number,
): void {
  const plane = 4 * x.H * x.W;
  cpu.parallel(
    convDepthwise,
    { items: y.N * y.C, work },
    {
      x: x.at,
      w,
      bias,
      y: y.at,
      image: x.C * plane,
      plane,
      row: 4 * x.W,
      down: 4 * stride[0] * x.W,
      right: 4 * stride[1],
      channels: y.C,
      outs: y.C / groups,
      kh,
      kw,
      oh: y.H,
      ow: y.W,
    },
  );
}
