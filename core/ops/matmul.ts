/** Matrix products. */
import type { Pass } from '../device.ts';
import { ShapeError } from '../errors.ts';
import { address } from '../kernel-source.ts';
import { defineOp, lazily, type Op } from '../op.ts';
import { broadcastShapes, numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { concat, narrow, reshape } from './movement.ts';
import { expand, sum, sumTo } from './reduce.ts';

export interface MatmulOptions {
  /** Reads a as [k, m]. */
  transposeA?: boolean;
  /** Reads b as [n, k]. */
  transposeB?: boolean;
}
type Transposes = { transposeA: boolean; transposeB: boolean };

/**
 * Bodies of a kernel whose cell at column x is start(x) + Σ_i a · b(x): for one column, and for four, which read `a` once.
 *
 * @param a, b, start  sources; a reads this.thread.y, this.thread.z and i, and b and start a column, too
 */
function dotProducts(
  k: number,
  columns: number,
  a: string,
  b: (x: string) => string,
  start: (x: string) => string = () => '0.0',
): Pick<Pass, 'body' | 'four'> {
  const loop = (step: string) => `for (let i = 0; i < ${k}; i++) { ${step} }`;
  const x = 'this.thread.x';
  const body = `let s = ${start(x)}; ${loop(`s += ${a} * ${b(x)};`)} return s;`;
  if (columns % 4 !== 0) return { body };
  const four = [0, 1, 2, 3].map((c) => ({ s: `s${c}`, x: `(this.thread.x * 4 + ${c})` }));
  const starts = four.map(({ s, x }) => `let ${s} = ${start(x)};`).join(' ');
  const steps = four.map(({ s, x }) => `${s} += v * ${b(x)};`).join(' ');
  return { body, four: `${starts} ${loop(`const v = ${a}; ${steps}`)} return [s0, s1, s2, s3];` };
}

/** y[i] = a[i] b[i] for a [Ba, m, k], b [Bb, k, n]; a batch of one serves all. Users call `matmul`. */
const product: Op<[a: Tensor, b: Tensor, options: Transposes]> = defineOp({
  name: 'matmul',
  shape: (a, b, { transposeA, transposeB }) => [Math.max(a[0], b[0]), a[transposeA ? 2 : 1], b[transposeB ? 1 : 2]],
  vjp: ({ g }, a, b, { transposeA, transposeB }) => {
    const batch = (t: Tensor, x: Tensor) => sumTo(t, x.shape);
    return [
      () =>
        batch(
          transposeA
            ? product(b, g, { transposeA: transposeB, transposeB: true })
            : product(g, b, { transposeA: false, transposeB: !transposeB }),
          a,
        ),
      () =>
        batch(
          transposeB
            ? product(g, a, { transposeA: true, transposeB: transposeA })
            : product(a, g, { transposeA: !transposeA, transposeB: false }),
          b,
        ),
    ];
  },
  kernel: ([B, m, n], a, b, { transposeA, transposeB }) => {
    const k = a[transposeA ? 1 : 2];
    const cellA = address(
      ['this.thread.z', 'this.thread.y', 'i'],
      [a[0] === 1 ? 0 : m * k, transposeA ? 1 : k, transposeA ? m : 1],
    );
    const cellB = (x: string) =>
      address(['this.thread.z', 'i', x], [b[0] === 1 ? 0 : k * n, transposeB ? 1 : n, transposeB ? k : 1]);
    const bodies = dotProducts(k, n, `a[${cellA}]`, (x) => `b[${cellB(x)}]`);
    return [{ out: [n, m, B], inputs: { a: 0, b: 1 }, ...bodies }];
  },
});

/**
 * Matrix product over the last two axes; leading axes broadcast as in NumPy.
 *
 *   y[…, i, j] = Σ_k a[…, i, k] b[…, k, j]
 *
 * @param a [..., m, k]    @param b [..., k, n]    @returns [..., m, n]
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  const fail = (hint: string): never => {
    const [wantA, wantB] = [transposeA ? '[k, m]' : '[m, k]', transposeB ? '[n, k]' : '[k, n]'];
    throw new ShapeError(
      `matmul: expected a ${wantA} and b ${wantB}, got a ${show(a.shape)} and b ${show(b.shape)}.${hint}`,
    );
  };
  if (a.rank < 2 || b.rank < 2) fail(' Give vectors a second axis with unsqueeze.');
  const [m, ka] = transposeA ? [a.shape.at(-1)!, a.shape.at(-2)!] : [a.shape.at(-2)!, a.shape.at(-1)!];
  const [kb, n] = transposeB ? [b.shape.at(-1)!, b.shape.at(-2)!] : [b.shape.at(-2)!, b.shape.at(-1)!];
  if (ka !== kb) fail(!transposeA && !transposeB && ka === n ? ' Did you mean matmul(a, transpose(b))?' : '');
  const options = { transposeA, transposeB };
  if (b.rank === 2 && !transposeA) {
    // rows of all batches are one tall matrix
    const rows = reshape(a, [1, numel(a.shape.slice(0, -1)), ka]);
    return reshape(product(rows, reshape(b, [1, ...b.shape]), options), [...a.shape.slice(0, -1), n]);
  }
  const lead = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
  const flat = (t: Tensor) => {
    const own = t.shape.slice(0, -2);
    const matrix = t.shape.slice(-2);
    return numel(own) === 1
      ? reshape(t, [1, ...matrix])
      : reshape(expand(t, [...lead, ...matrix]), [numel(lead), ...matrix]);
  };
  return reshape(product(flat(a), flat(b), options), [...lead, m, n]);
}

/** y = x Wᵀ + b with PyTorch's weight layout. Users call `linear`. */
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
  vjp: ({ g }, x, weight, bias) => {
    const rows = (t: Tensor) => reshape(t, [-1, t.shape.at(-1)!]);
    return [
      () => reshape(matmul(rows(g), weight), x.shape),
      () => matmul(rows(g), rows(x), { transposeA: true }),
      bias && (() => sum(rows(g), 0)),
    ];
  },
  kernel: (y, _x, weight, bias) => {
    const [out, width] = weight as [number, number];
    const row = `x[this.thread.y * ${width} + i]`;
    const column = (x: string) => `w[${x} * ${width} + i]`;
    const bodies = dotProducts(width, out, row, column, bias ? (x) => `bias[${x}]` : undefined);
    return [{ out: [out, numel(y) / out], inputs: { x: 0, w: 1, ...(bias && { bias: 2 }) }, ...bodies }];
  },
});

/** y = x Wᵀ + b. x [..., in], weight [out, in], bias [out] or null → [..., out] */
export const linear = (x: Tensor, weight: Tensor, bias: Tensor | null = null): Tensor => affine(x, weight, bias);

/** Several products of one x, side by side. Users call `linears`. */
const affines: Op<[x: Tensor, ...weights: Tensor[]]> = defineOp({
  name: 'linears',
  shape: (x, ...rest) => {
    const parts = rest.length / 2;
    const [weights, biases] = [rest.slice(0, parts), rest.slice(parts)];
    const [out, width] = weights[0] ?? [];
    if (
      !Number.isInteger(parts) ||
      x.at(-1) !== width ||
      weights.some((w) => w.length !== 2 || w[0] !== out || w[1] !== width) ||
      biases.some((b) => b.length !== 1 || b[0] !== out)
    ) {
      throw new ShapeError(
        `linears: expected x [..., in] and for each part a weight [out, in] and a bias [out], got x ${show(x)}, weights ${weights.map(show).join(', ')} and biases ${biases.map(show).join(', ')}.`,
      );
    }
    return [...x.slice(0, -1), parts * out];
  },
  vjp: ({ g }, x, ...rest) => {
    const parts = rest.length / 2;
    const [weights, biases] = [rest.slice(0, parts), rest.slice(parts)];
    const rows = (t: Tensor) => reshape(t, [-1, t.shape.at(-1)!]);
    const out = weights[0].shape[0];
    const ofWeights = lazily(() => matmul(rows(g), rows(x), { transposeA: true })); // [parts·out, in]
    const ofBiases = lazily(() => sum(rows(g), 0));
    return [
      () => reshape(matmul(rows(g), concat(weights, 0)), x.shape),
      ...weights.map((_, i) => () => narrow(ofWeights(), 0, i * out, out)),
      ...biases.map((_, i) => () => narrow(ofBiases(), 0, i * out, out)),
    ];
  },
  kernel: (y, _x, ...rest) => {
    const parts = rest.length / 2;
    const [out, width] = rest[0] as unknown as [number, number];
    /** The weights (or biases) one after another, of which each thread copies a cell. */
    const joined = (
      name: string,
      first: number,
      columns: number,
      sizes: readonly number[],
      row: string,
      column: string,
    ): Pass => {
      const cases = Array.from({ length: parts }, (_, i) => {
        const read = `v = p${i}[(${row} - ${i * out}) * ${columns} + ${column}];`;
        return i === parts - 1 ? `{ ${read} }` : `if (${row} < ${(i + 1) * out}) { ${read} }`;
      });
      return {
        name,
        out: sizes,
        inputs: Object.fromEntries(cases.map((_, i) => [`p${i}`, first + i])),
        body: `let v = 0.0; ${cases.join(' else ')} return v;`,
      };
    };
    const [row, weight, bias] = [
      `x[this.thread.y * ${width} + i]`,
      (c: string) => `w[${c} * ${width} + i]`,
      (c: string) => `b[${c}]`,
    ];
    return [
      joined('w', 1, width, [width, parts * out], 'this.thread.y', 'this.thread.x'),
      joined('b', 1 + parts, 1, [parts * out], 'this.thread.x', '0'),
      {
        out: [parts * out, numel(y) / (parts * out)],
        inputs: { x: 0, w: 'w', b: 'b' },
        ...dotProducts(width, parts * out, row, weight, bias),
      },
    ];
  },
});

/**
 * y = [x W₁ᵀ + b₁ | x W₂ᵀ + b₂ | …]: as `linear` with the weights on top of each other, which are not copied.
 *
 * @param x [..., in]    @param weights [out, in] each    @param biases [out] each    @returns [..., parts·out]
 */
export const linears = (x: Tensor, weights: readonly Tensor[], biases: readonly Tensor[]): Tensor =>
  affines(x, ...weights, ...biases);
