/** Affine maps with PyTorch's weight layout: one, and several of the same input. */
import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { defineOp, lazily, type Op } from '../op.ts';
import { numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { dotProducts, matmul } from './matmul.ts';
import { concat, narrow, reshape } from './movement.ts';
import { sum } from './reduce.ts';

/** x as a matrix of rows: [..., n] → [rows, n]. */
const rowsOf = (x: Tensor): Tensor => reshape(x, [numel(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** Primitive behind `linear`. */
const affine: Op<[x: Tensor, weight: Tensor, bias: Tensor | null]> = defineOp({
  name: 'linear',
  shape: (x, weight, bias) => {
    if (
      weight.length !== 2 ||
      x.length < 1 ||
      x.at(-1) !== weight[1] ||
      (bias && (bias.length !== 1 || bias[0] !== weight[0]))
    ) {
      throw new ShapeError(
        `linear: expected x [..., in], weight [out, in] and bias [out], got x ${show(x)}, weight ${show(weight)} and bias ${bias ? show(bias) : 'none'}.`,
      );
    }
    return [...x.slice(0, -1), weight[0]];
  },
  vjp: ({ g }, x, weight, bias) => [
    () => reshape(matmul(rowsOf(g), weight), x.shape),
    () => matmul(rowsOf(g), rowsOf(x), { transposeA: true }),
    bias && (() => sum(rowsOf(g), 0)),
  ],
  kernel: (y, _x, weight, bias) => {
    const [out, width] = weight as [number, number];
    const row = `x[this.thread.y * ${width} + i]`;
    const column = (x: string) => `w[${x} * ${width} + i]`;
    const bodies = dotProducts(width, out, row, column, bias ? (x) => `bias[${x}]` : undefined);
    return [{ out: [out, numel(y) / out], inputs: { x: 0, w: 1, ...(bias && { bias: 2 }) }, ...bodies }];
  },
});

/**
 * Affine map of the last axis: y = x Wᵀ + b.
 *
 * @param x [..., in]    @param weight [out, in]    @param bias [out] or null    @returns [..., out]
 * @throws ShapeError when the shapes do not fit
 */
export const linear = (x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor => affine(x, weight, bias);

/** The arguments of `linears` after x: all weights, then as many biases. */
function halves<T>(list: readonly T[]): { weights: T[]; biases: T[] } {
  const parts = list.length / 2;
  return { weights: list.slice(0, parts), biases: list.slice(parts) };
}

/** Primitive behind `linears`: all weights, then all biases. */
const affines: Op<[x: Tensor, ...weightsAndBiases: Tensor[]]> = defineOp({
  name: 'linears',
  shape: (x, ...rest) => {
    const { weights, biases } = halves(rest);
    const [out, width] = weights[0] ?? [];
    if (
      weights.length !== biases.length ||
      x.at(-1) !== width ||
      weights.some((w) => w.length !== 2 || w[0] !== out || w[1] !== width) ||
      biases.some((b) => b.length !== 1 || b[0] !== out)
    ) {
      throw new ShapeError(
        `linears: expected x [..., in] and for each part a weight [out, in] and a bias [out], got x ${show(x)}, weights ${weights.map(show).join(', ')} and biases ${biases.map(show).join(', ')}.`,
      );
    }
    return [...x.slice(0, -1), weights.length * out];
  },
  vjp: ({ g }, x, ...rest) => {
    const { weights, biases } = halves(rest);
    const out = weights[0].shape[0];
    const ofWeights = lazily(() => matmul(rowsOf(g), rowsOf(x), { transposeA: true })); // [parts·out, in]
    const ofBiases = lazily(() => sum(rowsOf(g), 0));
    return [
      () => reshape(matmul(rowsOf(g), concat(weights, 0)), x.shape),
      ...weights.map((_, i) => () => narrow(ofWeights(), 0, i * out, out)),
      ...biases.map((_, i) => () => narrow(ofBiases(), 0, i * out, out)),
    ];
  },
  kernel: (y, _x, ...rest) => {
    const { weights } = halves(rest);
    const parts = weights.length;
    const [out, width] = weights[0] as [number, number];
    /** A pass that puts the weights (or biases) one after another; a thread copies the cell at row and column. */
    const joined = (
      name: string,
      first: number,
      sizes: number[],
      columns: number,
      row: string,
      column: string,
    ): Pass => {
      const cases = weights.map((_, i) => {
        const read = `v = p${i}[(${row} - ${i * out}) * ${columns} + ${column}];`;
        return i === parts - 1 ? `{ ${read} }` : `if (${row} < ${(i + 1) * out}) { ${read} }`;
      });
      return {
        name,
        out: sizes,
        inputs: Object.fromEntries(cases.map((_, i) => [`p${i}`, first + i])),
        body: `
          let v = 0.0;
          ${cases.join(' else ')}
          return v;`,
      };
    };
    const row = `x[this.thread.y * ${width} + i]`;
    const weight = (c: string) => `w[${c} * ${width} + i]`;
    const bias = (c: string) => `b[${c}]`;
    return [
      joined('w', 1, [width, parts * out], width, 'this.thread.y', 'this.thread.x'),
      joined('b', 1 + parts, [parts * out], 1, 'this.thread.x', '0'),
      {
        out: [parts * out, numel(y) / (parts * out)],
        inputs: { x: 0, w: 'w', b: 'b' },
        ...dotProducts(width, parts * out, row, weight, bias),
      },
    ];
  },
});

/**
 * Several affine maps of one x, side by side: y = [x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …]. One product, as `linear` with the
 * weights on top of each other, without copying them.
 *
 * @param x [..., in]    @param weights [out, in] each    @param biases [out] each    @returns [..., parts·out]
 * @throws ShapeError when the shapes do not fit
 */
export const linears = (x: Tensor, weights: readonly Tensor[], biases: readonly Tensor[]): Tensor =>
  affines(x, ...weights, ...biases);
