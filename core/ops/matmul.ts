/** Matrix products. */
import type { Pass } from '../device.ts';
import { expectKnown, ShapeError } from '../errors.ts';
import { address } from '../kernel-source.ts';
import { defineOp, expectTensors, type Op } from '../op.ts';
import { broadcastShapes, numel, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { reshape } from './movement.ts';
import { expand, sumTo } from './reduce.ts';

/** Options of `matmul`. */
export interface MatmulOptions {
  /** Reads a as [k, m]; default false. */
  transposeA?: boolean;
  /** Reads b as [n, k]; default false. */
  transposeB?: boolean;
}
type Transposes = { transposeA: boolean; transposeB: boolean };

/**
 * Bodies of a kernel whose cell at column x is start(x) + Σ_i a · b(x): for one column, and for four that share each
 * read of `a`.
 *
 * @param a      source that reads this.thread.y, this.thread.z and i
 * @param b      the same, and a column
 * @param start  source that reads a column
 */
export function dotProducts(
  k: number,
  columns: number,
  a: string,
  b: (x: string) => string,
  start: (x: string) => string = () => '0.0',
): Pick<Pass, 'body' | 'four'> {
  const x = 'this.thread.x';
  const body = `
    let s = ${start(x)};
    for (let i = 0; i < ${k}; i++) {
      s += ${a} * ${b(x)};
    }
    return s;`;
  if (columns % 4 !== 0) return { body };
  const four = [0, 1, 2, 3].map((c) => ({ s: `s${c}`, x: `(this.thread.x * 4 + ${c})` }));
  return {
    body,
    four: `
      ${four.map(({ s, x }) => `let ${s} = ${start(x)};`).join(' ')}
      for (let i = 0; i < ${k}; i++) {
        const v = ${a};
        ${four.map(({ s, x }) => `${s} += v * ${b(x)};`).join(' ')}
      }
      return [s0, s1, s2, s3];`,
  };
}

/** Primitive behind `matmul`: y[i] = a[i] b[i] for a [Ba, m, k] and b [Bb, k, n]; a batch of one serves all. */
const product: Op<[a: Tensor, b: Tensor, options: Transposes]> = defineOp({
  name: 'matmul',
  shape: (a, b, { transposeA, transposeB }) => [a[0] === 1 ? b[0] : a[0], a[transposeA ? 2 : 1], b[transposeB ? 1 : 2]],
  // y = a b:   da = g bᵀ,   db = aᵀ g;   with aᵀ or bᵀ in place of a or b, the transpose of that
  vjp: ({ g }, a, b, { transposeA, transposeB }) => [
    () => {
      const da = transposeA
        ? product(b, g, { transposeA: transposeB, transposeB: true })
        : product(g, b, { transposeA: false, transposeB: !transposeB });
      return sumTo(da, a.shape);
    },
    () => {
      const db = transposeB
        ? product(g, a, { transposeA: true, transposeB: transposeA })
        : product(a, g, { transposeA: !transposeA, transposeB: false });
      return sumTo(db, b.shape);
    },
  ],
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
 * Unlike in PyTorch both have at least two axes: give a vector a second one with `unsqueeze`.
 *
 * @param a        [..., m, k], or [..., k, m] with transposeA
 * @param b        [..., k, n], or [..., n, k] with transposeB
 * @param options  read an operand transposed, without a copy
 * @returns        [..., m, n]
 * @throws ShapeError when the inner axes differ, leading axes do not broadcast, or an operand has fewer than two axes
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensors('matmul', a, b);
  expectKnown('matmul', options, ['transposeA', 'transposeB']);
  const { transposeA = false, transposeB = false } = options;
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
  if (b.rank === 2 && !transposeA) {
    // one b for all batches: their rows are one tall matrix
    const rows = reshape(a, [1, numel(a.shape.slice(0, -1)), ka]);
    const y = product(rows, reshape(b, [1, ...b.shape]), { transposeA, transposeB });
    return reshape(y, [...a.shape.slice(0, -1), n]);
  }
  const lead = broadcastShapes('matmul', a.shape.slice(0, -2), b.shape.slice(0, -2));
  const flat = (t: Tensor) => {
    const own = t.shape.slice(0, -2);
    const matrix = t.shape.slice(-2);
    return numel(own) === 1
      ? reshape(t, [1, ...matrix])
      : reshape(expand(t, [...lead, ...matrix]), [numel(lead), ...matrix]);
  };
  return reshape(product(flat(a), flat(b), { transposeA, transposeB }), [...lead, m, n]);
}
