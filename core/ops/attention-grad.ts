/** The gradient of fused self-attention. */
import { loopSum, quotient, remainder } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { mul, sub } from './elementwise.ts';
import { findScore, mergeHeads, packedSizes, readPacked, splitHeads } from './heads.ts';
import { matmul } from './matmul.ts';
import { concat, split } from './movement.ts';
import { sum } from './reduce.ts';
import { softmax } from './softmax.ts';

/**
 * Gradient of self-attention with respect to the packed qkv, from other ops. It recomputes the probabilities p.
 *
 *   dp = g vᵀ      ds = p ∘ (dp − Σ p ∘ dp) / √d      dq = ds k      dk = dsᵀ q      dv = pᵀ g
 */
function composite(qkv: Tensor, g: Tensor, heads: number): Tensor {
  const [q, k, v] = split(splitHeads(qkv, 3 * heads), 3, 1); // [batch, heads, tokens, d] each
  const gh = splitHeads(g, heads);
  const scale = 1 / Math.sqrt(q.shape[3]);
  const p = softmax(mul(matmul(q, k, { transposeB: true }), scale)); // [batch, heads, tokens, tokens]
  const dp = matmul(gh, v, { transposeB: true });
  const pdp = mul(p, dp);
  const ds = mul(sub(pdp, mul(p, sum(pdp, -1, true))), scale);
  const dq = matmul(ds, k);
  const dk = matmul(ds, q, { transposeA: true });
  const dv = matmul(p, gh, { transposeA: true });
  return concat([dq, dk, dv].map(mergeHeads), 2);
}

/** Gradient of self-attention with respect to qkv, fused: the formulas of `composite`. */
export const selfAttentionGrad: Op<[qkv: Tensor, g: Tensor, options: { heads: number }]> = defineOp({
  name: 'selfAttentionGrad',
  shape: (qkv) => qkv,
  vjp: ({ through }, qkv, g, { heads }) => through((qkv, g) => composite(qkv, g, heads), qkv, g),
  kernel: (_, qkv, _g, { heads }) => {
    const n = packedSizes(qkv, heads);
    const { B, T, D, H, d } = n;
    const BH = B * H;
    const [rows, cells] = [BH * T, BH * T * T];

    // Two arrays hold a [BH, T, T] for each of two matrices, one behind the other: `sd` s and dp, `pds` p and ds.
    // Threads with z < BH compute the first, the others, for head z − BH, the second.
    const [first, second] = ['this.thread.z', `(this.thread.z - ${BH})`];
    const cell = (head: string, row: string, column: string) => `(${head} * ${T} + ${row}) * ${T} + ${column}`;
    const own = (head: string) => cell(head, 'this.thread.y', 'this.thread.x');
    /** m, z and Σ p ∘ dp of the thread's row. */
    const m = (head: string) => `stats[${head} * ${T} + this.thread.y]`;
    const z = (head: string) => `stats[${rows} + ${head} * ${T} + this.thread.y]`;
    const inner = (head: string) => `stats[${2 * rows} + ${head} * ${T} + this.thread.y]`;
    const p = (head: string) => `Math.exp(sd[${own(head)}] - ${m(head)}) / ${z(head)}`;

    const gradient = `g[(${quotient(second, H)} * ${T} + this.thread.y) * ${D} + ${remainder(second, H)} * ${d} + i]`;
    const value = readPacked('v', n, second, 'this.thread.x', 'i');

    /** Start of the scores of row this.thread.x of head this.thread.y. */
    const scores = `(this.thread.y * ${T} + this.thread.x) * ${T}`;

    // In the last pass x counts the columns of dq, dk and dv, D each, and z the batch.
    /** The head that a column of part 0, 1 or 2 belongs to. */
    const headOf = (part: number) => `(this.thread.z * ${H} + ${quotient(`(this.thread.x - ${part * D})`, d)})`;
    /** Column of q (0) or k (1) at token i, in the place of the thread's column of part `from`. */
    const packed = (part: number, from: number) =>
      `qkv[(this.thread.z * ${T} + i) * ${3 * D} + this.thread.x - ${from * D} + ${part * D}]`;
    const ds = (part: number, row: string, column: string) => `pds[${cells} + ${cell(headOf(part), row, column)}]`;
    const pT = `pds[${cell(headOf(2), 'i', 'this.thread.y')}]`;
    const gi = `g[(this.thread.z * ${T} + i) * ${D} + this.thread.x - ${2 * D}]`;

    return [
      // s = q·k / √d, then dp = g·v
      {
        name: 'sd',
        out: [T, T, 2 * BH],
        inputs: { qkv: 0, g: 1 },
        body: `
          let s = 0.0;
          if (this.thread.z < ${BH}) {
            ${findScore(n)}
          } else {
            ${loopSum(d, `${gradient} * ${value}`)}
          }
          return s;`,
      },
      // of each row of scores m = max s, then z = Σ e^(s − m), then Σ p ∘ dp
      {
        name: 'stats',
        out: [T, BH, 3],
        inputs: { sd: 'sd' },
        body: `
          let m = sd[${scores}];
          for (let i = 0; i < ${T}; i++) {
            m = Math.max(m, sd[${scores} + i]);
          }
          let v = m;
          if (this.thread.z > 0) {
            let z = 0.0;
            let t = 0.0;
            for (let i = 0; i < ${T}; i++) {
              const e = Math.exp(sd[${scores} + i] - m);
              z += e;
              t += e * sd[${cells} + ${scores} + i];
            }
            v = z;
            if (this.thread.z > 1) { v = t / z; }
          }
          return v;`,
      },
      // p = e^(s − m) / z, then ds = p (dp − Σ p ∘ dp) / √d
      {
        name: 'pds',
        out: [T, T, 2 * BH],
        inputs: { sd: 'sd', stats: 'stats' },
        body: `
          let v = 0.0;
          if (this.thread.z < ${BH}) {
            v = ${p(first)};
          } else {
            v = ${p(second)} * (sd[${cells} + ${own(second)}] - ${inner(second)}) * ${1 / Math.sqrt(d)};
          }
          return v;`,
      },
      // dq = ds k,   dk = dsᵀ q,   dv = pᵀ g
      {
        out: [3 * D, T, B],
        inputs: { qkv: 0, g: 1, pds: 'pds' },
        body: `
          let s = 0.0;
          if (this.thread.x < ${D}) {
            ${loopSum(T, `${ds(0, 'this.thread.y', 'i')} * ${packed(1, 0)}`)}
          } else {
            if (this.thread.x < ${2 * D}) {
              ${loopSum(T, `${ds(1, 'i', 'this.thread.y')} * ${packed(0, 1)}`)}
            } else {
              ${loopSum(T, `${pT} * ${gi}`)}
            }
          }
          return s;`,
      },
    ];
  },
});
