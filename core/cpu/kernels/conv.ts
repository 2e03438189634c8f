/**
 * Two-dimensional convolution and its gradients. Pictures get their border of zeros in a copy, none where there is none to
 * add; the loops over them are in conv-kernels.ts, and in winograd.ts for 3×3 kernels that are better done in tiles.
 *
 * The gradient with respect to the input is itself a convolution, of g with the kernel turned around. With a stride s
 * the places of the input fall into s · s phases, each of which meets only every s-th tap of the kernel; each phase is a
 * convolution of stride 1, and its result is spread over every s-th place.
 *
 *      stride 2, three taps:   x  a b a b a b a      a = g · w₁ (one tap)      b = g · w₀ + g' · w₂ (two taps)
 */
import { type Cpu, type CpuRef, options, type Routine, ref } from '../routine.ts';
import { NC } from './gemm.ts';
import { reduceParts } from './parts.ts';
import { convolve, type Frames, tiling, weightGradient, winogradPays } from './winograd.ts';

export { define } from './conv-kernels.ts';

type Pair = readonly [y: number, x: number];
interface ConvAttributes {
  readonly [key: string]: unknown;
  readonly stride: Pair;
  readonly padding: readonly [top: number, bottom: number, left: number, right: number];
  readonly groups: number;
}

/** Planes of pictures in memory. */
interface Pictures {
  readonly at: number;
  readonly N: number;
  readonly C: number;
  readonly H: number;
  readonly W: number;
}
const pictures = (t: CpuRef): Pictures => {
  const [N, C, H, W] = t.shape as [number, number, number, number];
  return { at: t.at, N, C, H, W };
};

/** Where value i of one axis goes: to i · stride + offset, if that is in 0..length−1. */
interface Axis {
  readonly offset: number;
  readonly stride: number;
}
const range = (from: number, to: number, { offset, stride }: Axis) => {
  const first = Math.max(0, Math.ceil(-offset / stride));
  const last = Math.min(from, Math.floor((to - 1 - offset) / stride) + 1);
  return { first, count: Math.max(0, last - first), at: first * stride + offset };
};

/** Copies planes into larger or smaller ones; what falls outside is left out. */
function place(cpu: Cpu, x: Pictures, y: Pictures, down: Axis, right: Axis, zero: boolean): void {
  const rows = range(x.H, y.H, down);
  const columns = range(x.W, y.W, right);
  const [planeX, planeY] = [4 * x.H * x.W, 4 * y.H * y.W];
  cpu.parallel('place', x.N * x.C, x.N * x.C * y.H * y.W, [
    x.at, y.at, planeX, planeY, 4 * (rows.first * x.W + columns.first), 4 * (rows.at * y.W + columns.at),
    rows.count, columns.count, 4 * x.W, 4 * down.stride * y.W, 4, 4 * right.stride, zero ? planeY : 0,
  ]); // biome-ignore format: addresses, then the rectangle
}

/** Runs f on pictures with `before` zeros above and left, of H × W in all. */
function framed(cpu: Cpu, x: Pictures, [top, left]: Pair, [H, W]: Pair, f: (x: Pictures) => void): void {
  if (top === 0 && left === 0 && H === x.H && W === x.W) {
    f(x);
    return;
  }
  const floats = x.N * x.C * H * W + 16; // vectors of every second value may read past the last row
  const frame = { ...x, at: cpu.alloc(floats), H, W };
  place(cpu, x, frame, { offset: top, stride: 1 }, { offset: left, stride: 1 }, true);
  f(frame);
  cpu.free(frame.at, floats);
}

interface Kernel {
  readonly at: number;
  readonly bias: number;
  readonly kh: number;
  readonly kw: number;
  readonly stride: Pair;
  readonly groups: number;
}

/** Arguments common to the products over pictures x with result y. */
function sizes(x: Pictures, y: Pictures, { kh, kw, stride: [sy, sx], groups }: Kernel, block: number, blocks: number) {
  const ins = x.C / groups;
  const plane = 4 * x.H * x.W;
  return [
    x.C * plane, ins * plane, plane, 4 * x.W, 4 * sy * x.W, 4 * sx,
    groups, y.C / groups, ins * kh * kw, kh, kw, y.H * y.W, y.H, y.W, block, blocks,
  ]; // biome-ignore format: as named in conv-kernels.ts
}

/** True for 3×3 kernels of stride 1 that are better done in winograd.ts. */
const inTiles = ({ kh, kw, stride: [sy, sx], groups }: Kernel, ins: number, { N, C, H, W }: Pictures): boolean =>
  kh === 3 && kw === 3 && sy === 1 && sx === 1 && groups === 1 && winogradPays(ins, C, N, H, W);

/** Runs f on x framed with `before` zeros, so that `extra` values more than whole groups of tiles of y stand in it. */
function framedToTiles(cpu: Cpu, x: Pictures, before: Pair, y: Pictures, extra: number, f: (x: Frames) => void): void {
  const { wide, high } = tiling(y.N, y.H, y.W);
  framed(cpu, x, before, [2 * high + extra, 8 * wide + extra], ({ at, C, H, W }) =>
    f({ at, image: 4 * C * H * W, plane: 4 * H * W, row: 4 * W }),
  );
}

/** y = x ∗ kernel + bias, where `before` zeros stand above and left of x and its whole size with zeros is `size`. */
function correlate(cpu: Cpu, x: Pictures, before: Pair, size: Pair, kernel: Kernel, y: Pictures): void {
  if (inTiles(kernel, x.C, y)) correlateTiles(cpu, x, before, kernel, y, false);
  else framed(cpu, x, before, size, (x) => correlateFramed(cpu, x, kernel, y));
}

const correlateTiles = (cpu: Cpu, x: Pictures, before: Pair, kernel: Kernel, y: Pictures, turned: boolean): void =>
  framedToTiles(cpu, x, before, y, 2, (frames) =>
    convolve(cpu, frames, kernel.at, kernel.bias, y.at, [y.N, y.C, y.H, y.W], x.C, turned),
  );

/** Columns of a block, so that there are enough items for all threads. */
const blockFor = (cpu: Cpu, products: number, columns: number): number =>
  products * Math.ceil(columns / NC) >= 4 * cpu.threads ? NC : 64;

/** y = x ∗ kernel + bias, without padding. */
function correlateFramed(cpu: Cpu, x: Pictures, kernel: Kernel, y: Pictures): void {
  const { kh, kw, groups } = kernel;
  const [ins, outs, places] = [x.C / groups, y.C / groups, y.H * y.W];
  const work = y.N * y.C * places * ins * kh * kw;
  if (ins === 1 && kh * kw > 1 && outs <= 2) {
    const [sy, sx] = kernel.stride;
    const plane = 4 * x.H * x.W;
    const layout = [x.C * plane, plane, 4 * x.W, 4 * sy * x.W, 4 * sx, y.C, outs, kh, kw, y.H, y.W];
    cpu.parallel('conv_depthwise', y.N * y.C, work, [x.at, kernel.at, kernel.bias, y.at, ...layout]);
    return;
  }
  const block = blockFor(cpu, y.N * groups, places);
  const blocks = Math.ceil(places / block);
  const layout = sizes(x, y, kernel, block, blocks);
  const products = y.N * groups * blocks;
  // the channels of one small picture are cut over threads
  const height = products < cpu.threads ? Math.ceil((outs * products) / cpu.threads) : outs;
  const shares = Math.ceil(outs / height);
  cpu.parallel('conv', products * shares, work, [x.at, kernel.at, kernel.bias, y.at, ...layout, height, shares]);
}

/** The taps that one phase of an axis meets, and the places it owns. */
function phase(r: number, stride: number, before: number, kernel: number, length: number) {
  const taps = Math.max(0, Math.ceil((kernel - r) / stride)); // r, r + stride, …
  const first = Math.max(0, Math.ceil((before - r) / stride)); // place u of the phase is u · stride + r − before
  const count = Math.floor((length - 1 + before - r) / stride) - first + 1;
  return { taps, count, lastTap: r + stride * (taps - 1), pad: taps - 1 - first, at: first * stride + r - before };
}

function gradInput(cpu: Cpu, dx: Pictures, g: Pictures, w: CpuRef, { stride, padding, groups }: ConvAttributes): void {
  const [kh, kw] = w.shape.slice(2) as [number, number];
  const [ins, outs] = [dx.C / groups, g.C / groups];
  const kernel: Kernel = { at: w.at, bias: 0, kh, kw, stride, groups };
  if (inTiles(kernel, g.C, dx)) {
    correlateTiles(cpu, g, [2 - padding[0], 2 - padding[2]], kernel, dx, true);
    return;
  }
  const direct = stride[0] === 1 && stride[1] === 1;
  if (!direct) place(cpu, { ...dx, H: 0, W: 0 }, dx, { offset: 0, stride: 1 }, { offset: 0, stride: 1 }, true);
  for (let ry = 0; ry < stride[0]; ry++)
    for (let rx = 0; rx < stride[1]; rx++) {
      const down = phase(ry, stride[0], padding[0], kh, dx.H);
      const right = phase(rx, stride[1], padding[2], kw, dx.W);
      if (Math.min(down.taps, right.taps, down.count, right.count) <= 0) continue;
      const weightFloats = dx.C * outs * down.taps * right.taps;
      const weights = cpu.alloc(weightFloats);
      cpu.parallel('turn_weights', dx.C, weightFloats, [
        w.at, weights, ins, outs, kh, kw, down.taps, right.taps, down.lastTap, right.lastTap, stride[0], stride[1],
      ]); // biome-ignore format: one line
      const resultFloats = dx.N * dx.C * down.count * right.count;
      const result = direct ? dx : { ...dx, H: down.count, W: right.count, at: cpu.alloc(resultFloats) };
      const frame: Pair = [down.count + down.taps - 1, right.count + right.taps - 1];
      const turned: Kernel = { at: weights, bias: 0, kh: down.taps, kw: right.taps, stride: [1, 1], groups };
      correlate(cpu, g, [down.pad, right.pad], frame, turned, result);
      cpu.free(weights, weightFloats);
      if (direct) continue;
      const [toY, toX] = [
        { offset: down.at, stride: stride[0] },
        { offset: right.at, stride: stride[1] },
      ];
      place(cpu, result, dx, toY, toX, false);
      cpu.free(result.at, resultFloats);
    }
}

const before = ({ padding: [top, , left] }: ConvAttributes): Pair => [top, left];
const padded = ({ H, W }: Pictures, { padding: [top, bottom, left, right] }: ConvAttributes): Pair => [
  H + top + bottom,
  W + left + right,
];

export const routines: Readonly<Record<string, Routine>> = {
  /** x [N, C, H, W], w [O, C/g, kh, kw], bias [O] or null → [N, O, OH, OW] */
  conv2d(cpu, result, ...args) {
    const [w, attributes] = [ref(args[1]), options<ConvAttributes>(args[3])];
    const [kh, kw] = w.shape.slice(2) as [number, number];
    const y = pictures(result);
    if (y.N * y.C * y.H * y.W === 0) return;
    const { stride, groups } = attributes;
    const kernel = { at: w.at, bias: args[2] == null ? 0 : ref(args[2]).at, kh, kw, stride, groups };
    const x = pictures(ref(args[0]));
    correlate(cpu, x, before(attributes), padded(x, attributes), kernel, y);
  },
  /** g [N, O, OH, OW], w → [N, C, H, W] */
  conv2dGradInput(cpu, dx, ...args) {
    gradInput(cpu, pictures(dx), pictures(ref(args[0])), ref(args[1]), options<ConvAttributes>(args[2]));
  },
  /** x [N, C, H, W], g [N, O, OH, OW] → [O, C/g, kh, kw] */
  conv2dGradWeight(cpu, dw, ...args) {
    const [x, g, attributes] = [pictures(ref(args[0])), pictures(ref(args[1])), options<ConvAttributes>(args[2])];
    const [O, ins, kh, kw] = dw.shape as [number, number, number, number];
    const { stride, groups } = attributes;
    const depth = ins * kh * kw;
    const images = Math.ceil(g.N / 8); // at most eight parts
    const parts = Math.ceil(g.N / images);
    const block = blockFor(cpu, parts * groups, depth);
    const blocks = Math.ceil(depth / block);
    const kernel: Kernel = { at: 0, bias: 0, kh, kw, stride, groups };
    if (inTiles(kernel, x.C, g)) {
      framedToTiles(cpu, x, before(attributes), g, 2, (x) =>
        framedToTiles(cpu, g, [0, 0], g, 0, (frames) => weightGradient(cpu, x, frames, dw.at, [g.N, O, g.H, g.W], ins)),
      );
      return;
    }
    framed(cpu, x, before(attributes), padded(x, attributes), (x) => {
      const layout = sizes(x, g, kernel, block, blocks);
      const work = g.N * O * g.H * g.W * depth;
      reduceParts(cpu, dw.at, parts, O * depth, (at) =>
        cpu.parallel('conv_weights', parts * groups * blocks, work, [x.at, g.at, at, ...layout, images, g.N]),
      );
    });
  },
};
