/** Images at another size, each output pixel a weighted sum of input pixels. All take x [N, C, H, W]. */
import { tensor } from '../create.ts';
import { expectKnown, ShapeError } from '../errors.ts';
import { loopSum, quotient } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { divides, expectWhole, type Shape, sameShape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { reshape } from './movement.ts';

/** The shape of x with sides divided by `size`. */
export function dividedSides(op: string, x: Shape, size: number): Shape {
  if (x.length !== 4 || !divides(size, x[2]) || !divides(size, x[3])) {
    throw new ShapeError(`${op}: expected x [N, C, H, W] with sides divisible by ${size}, got ${show(x)}.`);
  }
  return [x[0], x[1], x[2] / size, x[3] / size];
}

/** Primitive behind `upsampleNearest`. */
const enlarge: Op<[x: Tensor, options: { scale: number }]> = defineOp({
  name: 'upsampleNearest',
  shape: (x, { scale }) => {
    const [N, C, H, W] = x as [number, number, number, number];
    if (x.length !== 4 || !(Number.isInteger(scale) && scale > 0))
      throw new ShapeError(
        `upsampleNearest: expected x [N, C, H, W] and a whole scale ≥ 1, got ${show(x)} and ${scale}.`,
      );
    return [N, C, H * scale, W * scale];
  },
  vjp: ({ g }, _, { scale }) => [() => mul(averagePool(g, { size: scale }), scale * scale)],
  kernel: (y, [, , H, W], { scale }) => {
    const [row, column] = [quotient('this.thread.y', scale), quotient('this.thread.x', scale)];
    const body = `return x[(this.thread.z * ${H} + ${row}) * ${W} + ${column}];`;
    return [{ out: [y[3], y[2], y[0] * y[1]], inputs: { x: 0 }, body }];
  },
});

/** Primitive behind `avgPool2d`. */
const averagePool: Op<[x: Tensor, options: { size: number }]> = defineOp({
  name: 'avgPool2d',
  shape: (x, { size }) => dividedSides('avgPool2d', x, size),
  vjp: ({ g }, _, { size }) => [() => mul(enlarge(g, { scale: size }), 1 / (size * size))],
  kernel: (y, [, , H, W], { size }) => {
    const [row, column] = [`this.thread.y * ${size} + i`, (j: string) => `this.thread.x * ${size} + ${j}`];
    const body = `
      let s = 0.0;
      for (let i = 0; i < ${size}; i++) {
        ${loopSum(size, (j) => `x[(this.thread.z * ${H} + ${row}) * ${W} + ${column(j)}]`, { i: 'j' })}
      }
      return s / ${size * size}.0;`;
    return [{ out: [y[3], y[2], y[0] * y[1]], inputs: { x: 0 }, body }];
  },
});

/** Each pixel repeated scale × scale times: [N, C, H, W] → [N, C, H·scale, W·scale]. PyTorch's `interpolate`, 'nearest'. */
export const upsampleNearest = (x: Tensor, scale: number): Tensor => enlarge(x, { scale });

/**
 * Mean of each size × size block: [N, C, H, W] → [N, C, H/size, W/size].
 *
 * @throws ShapeError when the size does not divide H and W
 */
export const avgPool2d = (x: Tensor, size: number): Tensor => averagePool(x, { size });

/** y = R x Cᵀ with a row and a column matrix: any separable linear resampling. An infinity makes NaN of its row and column. */
function resample(x: Tensor, rows: Tensor, columns: Tensor): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const wide = matmul(reshape(x, [N * C * H, W]), columns, { transposeB: true });
  return reshape(matmul(rows, reshape(wide, [N * C, H, columns.shape[0]])), [N, C, rows.shape[0], columns.shape[0]]);
}

function checkSize(op: string, x: Shape, size: readonly number[]): void {
  expectWhole(op, 'a size', size);
  if (x.length !== 4 || size.length !== 2 || size.some((n) => n < 1))
    throw new ShapeError(`${op}: expected x [N, C, H, W] and a size [h, w], got ${show(x)} and ${show(size)}.`);
}

/**
 * Mean of each of h × w windows that cover the image: [N, C, H, W] → [N, C, h, w]. Window k of an axis reaches from
 * ⌊k H/h⌋ up to ⌈(k + 1) H/h⌉.
 *
 * @throws ShapeError when x is no batch of images
 */
export function adaptiveAvgPool2d(x: Tensor, size: readonly [h: number, w: number]): Tensor {
  checkSize('adaptiveAvgPool2d', x.shape, size);
  if (sameShape(size, x.shape.slice(2))) return reshape(x, x.shape);
  const matrix = (n: number, m: number) => {
    const values = new Float32Array(m * n);
    for (let k = 0; k < m; k++) {
      const [from, to] = [Math.floor((k * n) / m), Math.ceil(((k + 1) * n) / m)];
      values.fill(1 / (to - from), k * n + from, k * n + to);
    }
    return tensor(values, [m, n], { device: x.device });
  };
  return resample(x, matrix(x.shape[2], size[0]), matrix(x.shape[3], size[1]));
}

/**
 * Bilinear resizing with half-pixel centers: [N, C, H, W] → [N, C, h, w]. PyTorch's `interpolate` with mode 'bilinear' and
 * align_corners false.
 *
 * @param options  `antialias` widens the triangle filter when shrinking, as torchvision does; default false
 * @throws ShapeError when x is no batch of images; OptionError for an unknown option
 */
export function resizeBilinear(
  x: Tensor,
  size: readonly [h: number, w: number],
  options: { antialias?: boolean } = {},
): Tensor {
  expectKnown('resizeBilinear', options, ['antialias']);
  const { antialias = false } = options;
  checkSize('resizeBilinear', x.shape, size);
  if (sameShape(size, x.shape.slice(2))) return reshape(x, x.shape);
  const matrix = (n: number, m: number) => tensor(bilinearWeights(n, m, antialias), [m, n], { device: x.device });
  return resample(x, matrix(x.shape[2], size[0]), matrix(x.shape[3], size[1]));
}

/** Row k holds the weights of the n input pixels for output pixel k, whose center is (k + ½) n/m. */
function bilinearWeights(n: number, m: number, antialias: boolean): Float32Array {
  const scale = n / m;
  const values = new Float32Array(m * n);
  for (let k = 0; k < m; k++) {
    if (!antialias) {
      const center = Math.max(0, (k + 0.5) * scale - 0.5);
      const low = Math.min(n - 1, Math.floor(center));
      const high = Math.min(n - 1, low + 1);
      values[k * n + low] += 1 - (center - low);
      values[k * n + high] += center - low;
      continue;
    }
    const support = Math.max(1, scale);
    const center = (k + 0.5) * scale;
    const weights = Array.from({ length: n }, (_, i) => Math.max(0, 1 - Math.abs((i + 0.5 - center) / support)));
    const total = weights.reduce((a, b) => a + b, 0);
    weights.forEach((w, i) => {
      values[k * n + i] = w / total;
    });
  }
  return values;
}
