/**
 * Two-dimensional convolution, its two gradients and nothing else: each is linear in both arguments, and the gradients
 * of each are the other two, so the set is closed under differentiation.
 */

import { ShapeError } from '../errors.ts';
import { quotient, remainder } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { add } from './elementwise.ts';
import { reshape } from './movement.ts';
import { sum } from './reduce.ts';

export interface ConvOptions {
  stride?: number | readonly [y: number, x: number];
  /** Zeros around the picture: the same on all sides, or [top, bottom, left, right]. */
  padding?: number | readonly [top: number, bottom: number, left: number, right: number];
  groups?: number;
}
/** Settled options, as kernels see them. */
export interface ConvAttributes {
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number, number, number];
  readonly groups: number;
}
type InputSize = ConvAttributes & { readonly size: readonly [number, number] };
type KernelSize = ConvAttributes & { readonly kernel: readonly [number, number] };

function settle({ stride = 1, padding = 0, groups = 1 }: ConvOptions): ConvAttributes {
  return {
    stride: typeof stride === 'number' ? [stride, stride] : [stride[0], stride[1]],
    padding: typeof padding === 'number' ? [padding, padding, padding, padding] : [...padding],
    groups,
  };
}
const outSize = (n: number, k: number, before: number, after: number, stride: number) =>
  Math.floor((n + before + after - k) / stride) + 1;
const attributes = ({ stride, padding, groups }: ConvAttributes): ConvAttributes => ({ stride, padding, groups });

/** Users call `conv2d`. */
const convolve: Op<[x: Tensor, weight: Tensor, bias: Tensor | null, options: ConvAttributes]> = defineOp({
  name: 'conv2d',
  shape: (x, w, bias, { stride, padding: [top, bottom, left, right], groups }) => {
    if (
      x.length !== 4 ||
      w.length !== 4 ||
      x[1] !== w[1] * groups ||
      w[0] % groups !== 0 ||
      (bias && bias[0] !== w[0])
    ) {
      throw new ShapeError(
        `conv2d: expected x [N, C, H, W], weight [O, C/groups, kh, kw] and bias [O], got x ${show(x)}, weight ${show(w)}, bias ${bias ? show(bias) : 'none'} and ${groups} groups.`,
      );
    }
    const y = [outSize(x[2], w[2], top, bottom, stride[0]), outSize(x[3], w[3], left, right, stride[1])];
    if (y.some((n) => n < 1))
      throw new ShapeError(
        `conv2d: expected a picture at least as large as the kernel, got x ${show(x)} and weight ${show(w)}. Add padding.`,
      );
    return [x[0], w[0], ...y];
  },
  vjp: ({ g }, x, w, bias, options) => [
    () => conv2dGradInput(g, w, { ...attributes(options), size: [x.shape[2], x.shape[3]] }),
    () => conv2dGradWeight(x, g, { ...attributes(options), kernel: [w.shape[2], w.shape[3]] }),
    bias && (() => sum(g, [0, 2, 3])),
  ],
  kernel: (y, x, w, bias, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [, C, H, W] = x as [number, number, number, number];
    const [O, c, kh, kw] = w as [number, number, number, number];
    const [n, o] = [quotient('this.thread.z', O), remainder('this.thread.z', O)];
    const channel = `(${quotient(o, O / groups)} * ${c} + i)`;
    const [row, column] = [`this.thread.y * ${sy} + ky - ${top}`, `this.thread.x * ${sx} + kx - ${left}`];
    return [
      {
        out: [y[3], y[2], y[0] * O],
        inputs: { x: 0, w: 1, ...(bias && { bias: 2 }) },
        body:
          `let s = ${bias ? `bias[${o}]` : '0.0'}; for (let i = 0; i < ${c}; i++) { for (let ky = 0; ky < ${kh}; ky++) { for (let kx = 0; kx < ${kw}; kx++) { ` +
          `if (${row} >= 0) { if (${row} < ${H}) { if (${column} >= 0) { if (${column} < ${W}) { ` +
          `s += x[((${n} * ${C} + ${channel}) * ${H} + ${row}) * ${W} + ${column}] * w[((${o} * ${c} + i) * ${kh} + ky) * ${kw} + kx]; } } } } } } } return s;`,
      },
    ];
  },
});

/** Gradient with respect to the picture: also the forward pass of a transposed convolution. */
export const conv2dGradInput: Op<[g: Tensor, weight: Tensor, options: InputSize]> = defineOp({
  name: 'conv2dGradInput',
  shape: (g, w, { size, groups }) => [g[0], w[1] * groups, ...size],
  vjp: ({ g: u }, g, w, options) => [
    () => convolve(u, w, null, attributes(options)),
    () => conv2dGradWeight(u, g, { ...attributes(options), kernel: [w.shape[2], w.shape[3]] }),
  ],
  kernel: (y, g, w, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [, O, OH, OW] = g as [number, number, number, number];
    const [, c, kh, kw] = w as [number, number, number, number];
    const C = c * groups;
    const [n, ch] = [quotient('this.thread.z', C), remainder('this.thread.z', C)];
    const o = `(${quotient(ch, c)} * ${O / groups} + i)`;
    const [row, column] = [`(this.thread.y + ${top} - ky)`, `(this.thread.x + ${left} - kx)`];
    const whole = (t: string, s: number) => (s === 1 ? '' : `if (${t} - ${quotient(t, s)} * ${s} == 0) `);
    return [
      {
        out: [y[3], y[2], y[0] * C],
        inputs: { g: 0, w: 1 },
        body:
          `let s = 0.0; for (let i = 0; i < ${O / groups}; i++) { for (let ky = 0; ky < ${kh}; ky++) { for (let kx = 0; kx < ${kw}; kx++) { ` +
          `if (${row} >= 0) { if (${row} < ${OH * sy}) { if (${column} >= 0) { if (${column} < ${OW * sx}) { ${whole(row, sy)}{ ${whole(column, sx)}{ ` +
          `s += g[((${n} * ${O} + ${o}) * ${OH} + ${quotient(row, sy)}) * ${OW} + ${quotient(column, sx)}] * w[((${o} * ${c} + ${remainder(ch, c)}) * ${kh} + ky) * ${kw} + kx]; } } } } } } } } } return s;`,
      },
    ];
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
  kernel: (w, x, g, { stride: [sy, sx], padding: [top, , left], groups }) => {
    const [N, C, H, W] = x as [number, number, number, number];
    const [, O, OH, OW] = g as [number, number, number, number];
    const [, c, kh, kw] = w as [number, number, number, number];
    const o = quotient('this.thread.z', c);
    const channel = `(${quotient(o, O / groups)} * ${c} + ${remainder('this.thread.z', c)})`;
    const [row, column] = [`oy * ${sy} + this.thread.y - ${top}`, `ox * ${sx} + this.thread.x - ${left}`];
    return [
      {
        out: [kw, kh, O * c],
        inputs: { x: 0, g: 1 },
        body:
          `let s = 0.0; for (let n = 0; n < ${N}; n++) { for (let oy = 0; oy < ${OH}; oy++) { for (let ox = 0; ox < ${OW}; ox++) { ` +
          `if (${row} >= 0) { if (${row} < ${H}) { if (${column} >= 0) { if (${column} < ${W}) { ` +
          `s += x[((n * ${C} + ${channel}) * ${H} + ${row}) * ${W} + ${column}] * g[((n * ${O} + ${o}) * ${OH} + oy) * ${OW} + ox]; } } } } } } } return s;`,
      },
    ];
  },
});

/**
 * Two-dimensional convolution (cross-correlation, as in PyTorch).
 *
 * @param x [N, C, H, W]    @param weight [O, C/groups, kh, kw]    @param bias [O] or null
 * @returns [N, O, ⌊(H + top + bottom − kh)/stride⌋ + 1, …]
 */
export const conv2d = (x: Tensor, weight: Tensor, bias: Tensor | null = null, options: ConvOptions = {}): Tensor =>
  convolve(x, weight, bias, settle(options));

/**
 * Transposed convolution: the gradient of conv2d with respect to its picture.
 *
 * @param x [N, C, H, W]    @param weight [C, O/groups, kh, kw]    @param bias [O] or null
 * @returns [N, O, (H − 1)·stride − 2·padding + kh, …]
 */
export function convTranspose2d(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | null = null,
  options: ConvOptions = {},
): Tensor {
  const settled = settle(options);
  const { stride, padding } = settled;
  const length = (n: number, k: number, axis: 0 | 1): number =>
    (n - 1) * stride[axis] - padding[2 * axis] - padding[2 * axis + 1] + k;
  if (x.rank !== 4 || weight.rank !== 4 || x.shape[1] !== weight.shape[0]) {
    throw new ShapeError(
      `convTranspose2d: expected x [N, C, H, W] and weight [C, O/groups, kh, kw], got x ${show(x.shape)} and weight ${show(weight.shape)}.`,
    );
  }
  const size = [length(x.shape[2], weight.shape[2], 0), length(x.shape[3], weight.shape[3], 1)] as const;
  const y = conv2dGradInput(x, weight, { ...settled, size });
  return bias ? add(y, reshape(bias, [bias.size, 1, 1])) : y;
}
