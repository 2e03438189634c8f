/** Max pooling over windows that cover the image. All take x [N, C, H, W]. */
import { ShapeError } from '../errors.ts';
import { ifLarger, quotient, when, wholeIndex } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { checkPositions } from './ids.ts';
import { dividedSides } from './resample.ts';

type PoolSize = { size: readonly [h: number, w: number] };

/** Window k of m over n pixels: from ⌊k n/m⌋ up to ⌈(k + 1) n/m⌉, as sources for one axis, and the longest of them. */
const windowOf = (k: string, n: number, m: number) => ({
  from: quotient(`${k} * ${n}`, m),
  to: quotient(`((${k} + 1) * ${n} + ${m - 1})`, m),
  longest: Math.ceil(n / m) + 1,
});

/**
 * Statements that leave the largest value of a thread's window in `m` and its offset in the plane in `best`; the first of
 * equals wins, and before all others the first NaN. Loops count to the longest window, with a test inside, because gpu.js wants literal bounds.
 */
function findLargest(H: number, W: number, [h, w]: readonly [number, number]): string {
  const [rows, columns] = [windowOf('this.thread.y', H, h), windowOf('this.thread.x', W, w)];
  const first = `${rows.from} * ${W} + ${columns.from}`;
  const offset = `(${rows.from} + i) * ${W} + ${columns.from} + j`;
  const inWindow = [`${rows.from} + i < ${rows.to}`, `${columns.from} + j < ${columns.to}`];
  const x = (at: string) => `x[this.thread.z * ${H * W} + ${at}]`;
  return `
      let m = ${x(first)};
      let best = ${first};
      for (let i = 0; i < ${rows.longest}; i++) {
        for (let j = 0; j < ${columns.longest}; j++) {
          ${when(inWindow, ifLarger(x(offset), 'm', `m = ${x(offset)}; best = ${offset};`))}
        }
      }`;
}

/** Primitive behind `adaptiveMaxPool2d`. */
const adaptiveMax: Op<[x: Tensor, options: PoolSize]> = defineOp({
  name: 'adaptiveMaxPool2d',
  shape: (x, { size }) => {
    if (x.length !== 4 || (numel(size) > 0 && x[2] * x[3] === 0))
      throw new ShapeError(`adaptiveMaxPool2d: expected x [N, C, H, W] with values in each window, got ${show(x)}.`);
    return [x[0], x[1], ...size];
  },
  vjp: ({ g }, x, options) => [() => adaptiveMaxPoolGrad(x, g, options)],
  kernel: (y, [, , H, W], { size }) => {
    const body = `
      ${findLargest(H, W, size)}
      return m;`;
    return [{ out: [y[3], y[2], y[0] * y[1]], inputs: { x: 0 }, body }];
  },
});

/** Gradient of adaptive max pooling: g put where each window of x has its first maximum. */
export const adaptiveMaxPoolGrad: Op<[x: Tensor, g: Tensor, options: PoolSize]> = defineOp({
  name: 'adaptiveMaxPoolGrad',
  shape: (x) => {
    checkPositions('adaptiveMaxPoolGrad', x[2] * x[3]);
    return x;
  },
  vjp: ({ g: u }, x, _, { size }) => [null, () => pickMaxima(x, u, { size })],
  kernel: (_, x, _g, { size }) => {
    const [N, C, H, W] = x as [number, number, number, number];
    const [h, w] = size;
    return [
      {
        name: 'best',
        out: [w, h, N * C],
        inputs: { x: 0 },
        body: `
          ${findLargest(H, W, size)}
          return best;`,
      },
      {
        out: [W, H, N * C],
        inputs: { g: 1, best: 'best' },
        body: `
          let s = 0.0;
          for (let i = 0; i < ${h * w}; i++) {
            if (best[this.thread.z * ${h * w} + i] == this.thread.y * ${W} + this.thread.x) {
              s += g[this.thread.z * ${h * w} + i];
            }
          }
          return s;`,
      },
    ];
  },
});

/** u read where each window of x has its first maximum: the gradient of adaptiveMaxPoolGrad. */
export const pickMaxima: Op<[x: Tensor, u: Tensor, options: PoolSize]> = defineOp({
  name: 'pickMaxima',
  shape: (x, _, { size }) => [x[0], x[1], ...size],
  vjp: ({ g }, x, _, { size }) => [null, () => adaptiveMaxPoolGrad(x, g, { size })],
  kernel: (y, [N, C, H, W], _u, { size }) => {
    const body = `
      ${findLargest(H, W, size)}
      return u[this.thread.z * ${H * W} + ${wholeIndex('best', N * C * H * W)}];`;
    return [{ out: [y[3], y[2], y[0] * y[1]], inputs: { x: 0, u: 1 }, body }];
  },
});

/**
 * Largest value of each of h × w windows that cover the image: [N, C, H, W] → [N, C, h, w]. Window k of an axis reaches
 * from ⌊k H/h⌋ up to ⌈(k + 1) H/h⌉. The gradient goes to the first place that holds a window's largest value.
 *
 * @throws ShapeError when x is no batch of images, or of images without pixels
 */
export const adaptiveMaxPool2d = (x: Tensor, size: readonly [h: number, w: number]): Tensor =>
  adaptiveMax(x, { size: [size[0], size[1]] });

/**
 * Largest value of each size × size block: [N, C, H, W] → [N, C, H/size, W/size].
 *
 * @throws ShapeError when the size does not divide H and W
 */
export function maxPool2d(x: Tensor, size: number): Tensor {
  const [, , h, w] = dividedSides('maxPool2d', x.shape, size) as [number, number, number, number];
  return adaptiveMaxPool2d(x, [h, w]);
}
