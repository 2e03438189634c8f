/** Pictures at another size. All take x [N, C, H, W]. */
import { tensor } from '../create.ts';
import { ShapeError } from '../errors.ts';
import { loopSum, quotient } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { numel, type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { reshape } from './movement.ts';

function divisible(op: string, x: Shape, size: number): Shape {
  if (x.length !== 4 || x[2] % size !== 0 || x[3] % size !== 0) {
    throw new ShapeError(`${op}: expected x [N, C, H, W] with sides divisible by ${size}, got ${show(x)}.`);
  }
  return [x[0], x[1], x[2] / size, x[3] / size];
}

/** Users call `upsampleNearest`. */
const enlarge: Op<[x: Tensor, options: { scale: number }]> = defineOp({
  name: 'upsampleNearest',
  shape: ([N, C, H, W], { scale }) => [N, C, H * scale, W * scale],
  vjp: ({ g }, _, { scale }) => [() => mul(averagePool(g, { size: scale }), scale * scale)],
  kernel: (y, [, , H, W], { scale }) => [
    {
      out: [y[3], y[2], y[0] * y[1]],
      inputs: { x: 0 },
      body: `return x[(this.thread.z * ${H} + ${quotient('this.thread.y', scale)}) * ${W} + ${quotient('this.thread.x', scale)}];`,
    },
  ],
});

/** Users call `avgPool2d`. */
const averagePool: Op<[x: Tensor, options: { size: number }]> = defineOp({
  name: 'avgPool2d',
  shape: (x, { size }) => divisible('avgPool2d', x, size),
  vjp: ({ g }, _, { size }) => [() => mul(enlarge(g, { scale: size }), 1 / (size * size))],
  kernel: (y, [, , H, W], { size }) => [
    {
      out: [y[3], y[2], y[0] * y[1]],
      inputs: { x: 0 },
      body: `let s = 0.0; for (let i = 0; i < ${size}; i++) { ${loopSum(size, `x[(this.thread.z * ${H} + this.thread.y * ${size} + i) * ${W} + this.thread.x * ${size} + j]`, 'j')} } return s / ${size * size}.0;`,
    },
  ],
});

/** Each pixel repeated scale × scale times. */
export const upsampleNearest = (x: Tensor, scale: number): Tensor => enlarge(x, { scale });
/** Mean of each size × size block. */
export const avgPool2d = (x: Tensor, size: number): Tensor => averagePool(x, { size });

type PoolSize = { size: readonly [h: number, w: number] };

/** Window of output cell k: from ⌊k n/m⌋ up to ⌈(k + 1) n/m⌉, as sources for one axis. */
const window = (k: string, n: number, m: number) => ({
  from: quotient(`${k} * ${n}`, m),
  to: quotient(`((${k} + 1) * ${n} + ${m - 1})`, m),
});

/**
 * Walks a window and leaves the largest value in `m` and its offset in the plane in `best`; the first of equals wins.
 * Loops count from 0 to the largest window, with a test inside, because gpu.js wants literal bounds.
 */
function largest(
  H: number,
  W: number,
  [h, w]: readonly [number, number],
  plane: string,
  row: string,
  column: string,
): string {
  const [rows, columns] = [window(row, H, h), window(column, W, w)];
  const longest = (n: number, m: number) => Math.ceil(n / m) + 1;
  const cell = `(${rows.from} + i) * ${W} + ${columns.from} + j`;
  return (
    `let m = x[${plane} * ${H * W} + ${rows.from} * ${W} + ${columns.from}]; let best = ${rows.from} * ${W} + ${columns.from}; ` +
    `for (let i = 0; i < ${longest(H, h)}; i++) { for (let j = 0; j < ${longest(W, w)}; j++) { ` +
    `if (${rows.from} + i < ${rows.to}) { if (${columns.from} + j < ${columns.to}) { ` +
    `if (x[${plane} * ${H * W} + ${cell}] > m) { m = x[${plane} * ${H * W} + ${cell}]; best = ${cell}; } } } } } `
  );
}

/** Users call `adaptiveMaxPool2d`. */
const adaptiveMax: Op<[x: Tensor, options: PoolSize]> = defineOp({
  name: 'adaptiveMaxPool2d',
  shape: (x, { size }) => {
    if (x.length !== 4) throw new ShapeError(`adaptiveMaxPool2d: expected x [N, C, H, W], got ${show(x)}.`);
    return [x[0], x[1], ...size];
  },
  vjp: ({ g }, x, options) => [() => adaptiveMaxPoolGrad(x, g, options)],
  kernel: (y, [, , H, W], { size }) => [
    {
      out: [y[3], y[2], y[0] * y[1]],
      inputs: { x: 0 },
      body: `${largest(H, W, size, 'this.thread.z', 'this.thread.y', 'this.thread.x')} return m;`,
    },
  ],
});

/** g put where each window of x has its first maximum: the gradient of adaptive max pooling. Its own vjp picks there. */
export const adaptiveMaxPoolGrad: Op<[x: Tensor, g: Tensor, options: PoolSize]> = defineOp({
  name: 'adaptiveMaxPoolGrad',
  shape: (x) => x,
  vjp: ({ g: u }, x, _, { size }) => [null, () => pickMaxima(x, u, { size })],
  kernel: (_, x, _g, { size: [h, w] }) => {
    const [N, C, H, W] = x as [number, number, number, number];
    return [
      {
        name: 'best',
        out: [w, h, N * C],
        inputs: { x: 0 },
        body: `${largest(H, W, [h, w], 'this.thread.z', 'this.thread.y', 'this.thread.x')} return best;`,
      },
      {
        out: [W, H, N * C],
        inputs: { g: 1, best: 'best' },
        body: `let s = 0.0; for (let i = 0; i < ${h * w}; i++) { if (best[this.thread.z * ${h * w} + i] == this.thread.y * ${W} + this.thread.x) { s += g[this.thread.z * ${h * w} + i]; } } return s;`,
      },
    ];
  },
});

/** u read where each window of x has its first maximum. */
export const pickMaxima: Op<[x: Tensor, u: Tensor, options: PoolSize]> = defineOp({
  name: 'pickMaxima',
  shape: (x, _, { size }) => [x[0], x[1], ...size],
  vjp: ({ g }, x, _, { size }) => [null, () => adaptiveMaxPoolGrad(x, g, { size })],
  kernel: (y, [, , H, W], _u, { size }) => [
    {
      out: [y[3], y[2], y[0] * y[1]],
      inputs: { x: 0, u: 1 },
      body: `${largest(H, W, size, 'this.thread.z', 'this.thread.y', 'this.thread.x')} return u[this.thread.z * ${H * W} + best];`,
    },
  ],
});

/** Largest value in each of h × w windows that cover the picture, as torch.nn.AdaptiveMaxPool2d. */
export const adaptiveMaxPool2d = (x: Tensor, size: readonly [h: number, w: number]): Tensor =>
  adaptiveMax(x, { size: [size[0], size[1]] });
/** Largest value of each size × size block. */
export function maxPool2d(x: Tensor, size: number): Tensor {
  const [, , h, w] = divisible('maxPool2d', x.shape, size) as [number, number, number, number];
  return adaptiveMaxPool2d(x, [h, w]);
}

/** y = R x Cᵀ with a row and a column matrix: any separable linear resampling. */
function resample(x: Tensor, rows: Tensor, columns: Tensor): Tensor {
  const [N, C, H, W] = x.shape as [number, number, number, number];
  const wide = matmul(reshape(x, [N * C * H, W]), columns, { transposeB: true });
  return reshape(matmul(rows, reshape(wide, [N * C, H, columns.shape[0]])), [N, C, rows.shape[0], columns.shape[0]]);
}

function checkSize(op: string, x: Shape, size: readonly number[]): void {
  if (x.length !== 4 || size.length !== 2 || numel(size) < 1)
    throw new ShapeError(`${op}: expected x [N, C, H, W] and a size [h, w], got ${show(x)} and ${show(size)}.`);
}

/** Mean of each of h × w windows that cover the picture. */
export function adaptiveAvgPool2d(x: Tensor, size: readonly [h: number, w: number]): Tensor {
  checkSize('adaptiveAvgPool2d', x.shape, size);
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
 * Bilinear resizing with half-pixel centers (align_corners false).
 *
 * @param antialias  widens the triangle filter when shrinking, as torchvision does
 */
export function resizeBilinear(x: Tensor, size: readonly [h: number, w: number], { antialias = false } = {}): Tensor {
  checkSize('resizeBilinear', x.shape, size);
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
