/**
 * Two-dimensional convolution and its two gradients. Each is linear in both arguments, and the gradients of each are the
 * other two, so the set is closed under differentiation.
 */

import { expectKnown, expectOption, ShapeError } from '../errors.ts';
import { quotient, remainder, when } from '../kernel-source.ts';
import { defineOp, expectTensors, type Op } from '../op.ts';
import { divides, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add } from './elementwise.ts';
import { reshape } from './movement.ts';
import { sum } from './reduce.ts';

/** Options of `conv2d`. */
export interface ConvOptions {
  /** Pixels from one window to the next, the same on both axes or [y, x]; default 1. */
  stride?: number | readonly [y: number, x: number];
  /** Zeros around the image: the same on all sides, or [top, bottom, left, right]; default 0. */
  padding?: number | readonly [top: number, bottom: number, left: number, right: number];
  /** Groups of channels that do not mix; as many as channels for a depthwise convolution. Default 1. */
  groups?: number;
}
/** Options with every default filled in, as kernels see them. */
export interface ConvAttributes {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly groups: number;
}
type InputSize = ConvAttributes & { readonly size: readonly [number, number] };
type KernelSize = ConvAttributes & { readonly kernel: readonly [number, number] };

function withDefaults(op: string, options: ConvOptions): ConvAttributes {
  expectKnown(op, options, ['stride', 'padding', 'groups']);
  const { stride = 1, padding = 0, groups = 1 } = options;
  const each = (value: number | readonly number[], count: number) =>
    Array.isArray(value) ? [...value] : new Array<number>(count).fill(value as number);
  const [strides, zeros] = [each(stride, 2), each(padding, 4)];
  const whole = (list: readonly number[], count: number, least: number) =>
    list.length === count && list.every((n) => Number.isInteger(n) && n >= least);
  expectOption(whole(strides, 2, 1), `${op}, stride`, 'a whole number ≥ 1, or [y, x]', stride);
  expectOption(whole(zeros, 4, 0), `${op}, padding`, 'a whole number ≥ 0, or [top, bottom, left, right]', padding);
  expectOption(whole([groups], 1, 1), `${op}, groups`, 'a whole number ≥ 1', groups);
  return { stride: strides as [number, number], padding: zeros as [number, number, number, number], groups };
}
const outSize = (n: number, k: number, before: number, after: number, stride: number) =>
  Math.floor((n + before + after - k) / stride) + 1;
const attributes = ({ stride, padding, groups }: ConvAttributes): ConvAttributes => ({ stride, padding, groups });

/** Conditions under which a pixel is inside an image of H × W; elsewhere it is padding. */
const inImage = (row: string, column: string, H: number, W: number): string[] => [
  `${row} >= 0`,
  `${row} < ${H}`,
  `${column} >= 0`,
  `${column} < ${W}`,
];

/** Primitive behind `conv2d`. */
const convolve: Op<[x: Tensor, weight: Tensor, bias: Tensor | null, options: ConvAttributes]> = defineOp({
  name: 'conv2d',
  shape: (x, w, bias, { stride, padding: [top, bottom, left, right], groups }) => {
    if (
      x.length !== 4 ||
      w.length !== 4 ||
      x[1] !== w[1] * groups ||
      w[0] % groups !== 0 ||
      (bias && !sameShape(bias, [w[0]]))
    ) {
      throw new ShapeError(
        `conv2d: expected x [N, C, H, W], weight [O, C/groups, kh, kw] and bias [O], got x ${show(x)}, weight ${show(w)}, bias ${bias ? show(bias) : 'none'} and ${groups} groups.`,
      );
    }
    const y = [outSize(x[2], w[2], top, bottom, stride[0]), outSize(x[3], w[3], left, right, stride[1])];
    if (y.some((n) => n < 1))
      throw new ShapeError(
        `conv2d: expected an image at least as large as the kernel, got x ${show(x)} and weight ${show(w)}. Add padding.`,
      );
    return [x[0], w[0], ...y];
  },
  vjp: ({ g }, x, w, bias, options) => [
    () => conv2dGradInput(g, w, { ...attributes(options), size: [x.shape[2], x.shape[3]] }),
    () => conv2dGradWeight(x, g, { ...attributes(options), kernel: [w.shape[2], w.shape[3]] }),
    bias && (() => sum(g, [0, 2, 3])),
  ],
  // y[n, o, oy, ox] = b_o + Σ_{c, ky, kx} x[n, c, oy·sy + ky − top, ox·sx + kx − left] w[o, c, ky, kx]
  kernel: (y, x, w, bias, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [, C, H, W] = x as [number, number, number, number];
    const [O, c, kh, kw] = w as [number, number, number, number];
    const [n, o] = [quotient('this.thread.z', O), remainder('this.thread.z', O)];
    const channel = `(${quotient(o, O / groups)} * ${c} + i)`;
    const [row, column] = [`this.thread.y * ${sy} + ky - ${top}`, `this.thread.x * ${sx} + kx - ${left}`];
    const pixel = `x[((${n} * ${C} + ${channel}) * ${H} + ${row}) * ${W} + ${column}]`;
    const weight = `w[((${o} * ${c} + i) * ${kh} + ky) * ${kw} + kx]`;
    const body = `
      let s = ${bias ? `bias[${o}]` : '0.0'};
      for (let i = 0; i < ${c}; i++) {
        for (let ky = 0; ky < ${kh}; ky++) {
          for (let kx = 0; kx < ${kw}; kx++) {
            ${when(inImage(row, column, H, W), `s += ${pixel} * ${weight};`)}
          }
        }
      }
      return s;`;
    return [{ out: [y[3], y[2], y[0] * O], inputs: { x: 0, w: 1, ...(bias && { bias: 2 }) }, body }];
  },
});

/** Gradient with respect to the image: also the forward pass of a transposed convolution. */
export const conv2dGradInput: Op<[g: Tensor, weight: Tensor, options: InputSize]> = defineOp({
  name: 'conv2dGradInput',
  shape: (g, w, { size, groups }) => [g[0], w[1] * groups, ...size],
  vjp: ({ g: u }, g, w, options) => [
    () => convolve(u, w, null, attributes(options)),
    () => conv2dGradWeight(u, g, { ...attributes(options), kernel: [w.shape[2], w.shape[3]] }),
  ],
  // dx[n, c, y, x] = Σ_{o, ky, kx} g[n, o, (y + top − ky) / sy, (x + left − kx) / sx] w[o, c, ky, kx], where both divide
  kernel: (y, g, w, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [, O, OH, OW] = g as [number, number, number, number];
    const [, c, kh, kw] = w as [number, number, number, number];
    const C = c * groups;
    const [n, ch] = [quotient('this.thread.z', C), remainder('this.thread.z', C)];
    const o = `(${quotient(ch, c)} * ${O / groups} + i)`;
    const [row, column] = [`(this.thread.y + ${top} - ky)`, `(this.thread.x + ${left} - kx)`];
    const isMultiple = (t: string, s: number) => (s === 1 ? [] : [`${t} - ${quotient(t, s)} * ${s} == 0`]);
    const used = [...inImage(row, column, OH * sy, OW * sx), ...isMultiple(row, sy), ...isMultiple(column, sx)];
    const gradient = `g[((${n} * ${O} + ${o}) * ${OH} + ${quotient(row, sy)}) * ${OW} + ${quotient(column, sx)}]`;
    const weight = `w[((${o} * ${c} + ${remainder(ch, c)}) * ${kh} + ky) * ${kw} + kx]`;
    const body = `
      let s = 0.0;
      for (let i = 0; i < ${O / groups}; i++) {
        for (let ky = 0; ky < ${kh}; ky++) {
          for (let kx = 0; kx < ${kw}; kx++) {
            ${when(used, `s += ${gradient} * ${weight};`)}
          }
        }
      }
      return s;`;
    return [{ out: [y[3], y[2], y[0] * C], inputs: { g: 0, w: 1 }, body }];
  },
});

/** Gradient with respect to the weight. */
export const conv2dGradWeight: Op<[x: Tensor, g: Tensor, options: KernelSize]> = defineOp({
  name: 'conv2dGradWeight',
  shape: (x, g, { kernel, groups }) => [g[1], x[1] / groups, ...kernel],
  vjp: ({ g: u }, x, g, options) => [
    () => conv2dGradInput(g, u, { ...attributes(options), size: [x.shape[2], x.shape[3]] }),
    () => convolve(x, u, null, attributes(options)),
  ],
  // dw[o, c, ky, kx] = Σ_{n, oy, ox} x[n, c, oy·sy + ky − top, ox·sx + kx − left] g[n, o, oy, ox]
  kernel: (w, x, g, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [N, C, H, W] = x as [number, number, number, number];
    const [, O, OH, OW] = g as [number, number, number, number];
    const [, c, kh, kw] = w as [number, number, number, number];
    const o = quotient('this.thread.z', c);
    const channel = `(${quotient(o, O / groups)} * ${c} + ${remainder('this.thread.z', c)})`;
    const [row, column] = [`oy * ${sy} + this.thread.y - ${top}`, `ox * ${sx} + this.thread.x - ${left}`];
    const pixel = `x[((n * ${C} + ${channel}) * ${H} + ${row}) * ${W} + ${column}]`;
    const gradient = `g[((n * ${O} + ${o}) * ${OH} + oy) * ${OW} + ox]`;
    const body = `
      let s = 0.0;
      for (let n = 0; n < ${N}; n++) {
        for (let oy = 0; oy < ${OH}; oy++) {
          for (let ox = 0; ox < ${OW}; ox++) {
            ${when(inImage(row, column, H, W), `s += ${pixel} * ${gradient};`)}
          }
        }
      }
      return s;`;
    return [{ out: [kw, kh, O * c], inputs: { x: 0, g: 1 }, body }];
  },
});

/**
 * Two-dimensional convolution (cross-correlation, as in PyTorch):
 *
 *   y[n, o, i, j] = b_o + Σ_{c, ky, kx} x[n, c, i·stride + ky − padding, j·stride + kx − padding] w[o, c, ky, kx]
 *
 * @param x       [N, C, H, W]
 * @param weight  [O, C/groups, kh, kw]
 * @param bias    [O] or null
 * @returns       [N, O, ⌊(H + top + bottom − kh) / stride⌋ + 1, ⌊(W + left + right − kw) / stride⌋ + 1]
 * @throws ShapeError when the shapes do not fit, or the padded image is smaller than the kernel; OptionError for a wrong
 *   stride, padding or number of groups
 */
export const conv2d = (x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor =>
  convolve(x, weight, bias, withDefaults('conv2d', options));

/**
 * Transposed convolution: the gradient of conv2d with respect to its image, plus a bias.
 *
 * @param x       [N, C, H, W]
 * @param weight  [C, O/groups, kh, kw]
 * @param bias    [O] or null
 * @returns       [N, O, (H − 1)·stride − top − bottom + kh, (W − 1)·stride − left − right + kw]
 * @throws ShapeError when x, weight, bias and groups do not fit, or padding leaves no pixel
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  const full = withDefaults('convTranspose2d', options);
  const { stride, padding } = full;
  const length = (n: number, k: number, axis: 0 | 1): number =>
    (n - 1) * stride[axis] - padding[2 * axis] - padding[2 * axis + 1] + k;
  expectTensors('convTranspose2d', x, weight);
  const { groups } = full;
  const outs = weight.shape[1] * groups;
  if (
    x.rank !== 4 ||
    weight.rank !== 4 ||
    x.shape[1] !== weight.shape[0] ||
    !divides(groups, x.shape[1]) ||
    (bias && !sameShape(bias.shape, [outs]))
  ) {
    throw new ShapeError(
      `convTranspose2d: expected x [N, C, H, W], weight [C, O/groups, kh, kw] and bias [O], with groups that divide C, got x ${show(x.shape)}, weight ${show(weight.shape)}, bias ${bias ? show(bias.shape) : 'none'} and ${groups} groups.`,
    );
  }
  const size = [length(x.shape[2], weight.shape[2], 0), length(x.shape[3], weight.shape[3], 1)] as const;
  if (size.some((n) => n < 1))
    throw new ShapeError(
      `convTranspose2d: expected a result of at least one pixel, got ${show(size)} from x ${show(x.shape)} and weight ${show(weight.shape)}. Use less padding.`,
    );
  const y = conv2dGradInput(x, weight, { ...full, size });
  return bias ? add(y, reshape(bias, [bias.size, 1, 1])) : y;
}

/**
 * Padding of one axis so that a convolution returns ⌈size / stride⌉ values: TensorFlow's 'same'. The odd zero goes after.
 *
 *   const padding = [...samePadding(H, 4, 2), ...samePadding(W, 4, 2)] as const;
 */
export function samePadding(size: number, kernel: number, stride: number): [before: number, after: number] {
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  return [Math.floor(total / 2), Math.ceil(total / 2)];
}
