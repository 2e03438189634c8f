/** The gradient of fused self-attention. */
import type { Pass } from '../device.ts';
import { loopSum, quotient, remainder } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import type { Tensor } from '../tensor.ts';
import { mul, sub } from './elementwise.ts';
import { findScore, mergeHeads, type PackedSizes, packedSizes, readPacked, splitHeads } from './heads.ts';
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

/** Gradient of self-attention with respect to qkv, fused: the formulas of `composite`, one pass a line. */
export const selfAttentionGrad: Op<[qkv: Tensor, g: Tensor, options: { heads: number }]> = defineOp({
  name: 'selfAttentionGrad',
  shape: (qkv) => qkv,
  vjp: ({ through }, qkv, g, { heads }) => through((qkv, g) => composite(qkv, g, heads), qkv, g),
  kernel: (_, qkv, _g, { heads }) => {
    const n = packedSizes(qkv, heads);
    return [scoresPass(n), statsPass(n), probabilitiesPass(n), gradientsPass(n)];
  },
});

// The arrays `sd` and `pds` hold two [B·H, T, T] matrices, one behind the other: s and dp, then p and ds. A thread with
// z < B·H computes a value of the first, any other one, for head z − B·H, a value of the second.

/** Source of a value in a [B·H, T, T] matrix, where `head` counts batch · H + head. */
const cell = ({ T }: PackedSizes, head: string, row: string, column: string) =>
  `(${head} * ${T} + ${row}) * ${T} + ${column}`;
const headOfSecond = ({ B, H }: PackedSizes) => `(this.thread.z - ${B * H})`;

/** Pass `sd`: s = q·k / √d, then dp = g·v. */
function scoresPass(n: PackedSizes): Pass {
  const { B, T, D, H, d } = n;
  const head = headOfSecond(n);
  const g = (i: string) =>
    `g[(${quotient(head, H)} * ${T} + this.thread.y) * ${D} + ${remainder(head, H)} * ${d} + ${i}]`;
  const v = (i: string) => readPacked('v', n, head, 'this.thread.x', i);
  return {
    name: 'sd',
    out: [T, T, 2 * B * H],
    inputs: { qkv: 0, g: 1 },
    body: `
      let s = 0.0;
      if (this.thread.z < ${B * H}) {
        ${findScore(n)}
      } else {
        ${loopSum(d, (i) => `${g(i)} * ${v(i)}`)}
      }
      return s;`,
  };
}

/** Pass `stats`, [3, B·H, T]: of each row of scores m = max s, then z = Σ e^(s − m), then Σ p ∘ dp. */
function statsPass(n: PackedSizes): Pass {
  const { B, T, H } = n;
  const s = `sd[${cell(n, 'this.thread.y', 'this.thread.x', 'i')}]`;
  const dp = `sd[${B * H * T * T} + ${cell(n, 'this.thread.y', 'this.thread.x', 'i')}]`;
  return {
    name: 'stats',
    out: [T, B * H, 3],
    inputs: { sd: 'sd' },
    body: `
      let m = sd[${cell(n, 'this.thread.y', 'this.thread.x', '0')}];
      for (let i = 0; i < ${T}; i++) {
        m = Math.max(m, ${s});
      }
      let v = m;
      if (this.thread.z > 0) {
        let z = 0.0;
        let t = 0.0;
        for (let i = 0; i < ${T}; i++) {
          const e = Math.exp(${s} - m);
          z += e;
          t += e * ${dp};
        }
        v = z;
        if (this.thread.z > 1) { v = t / z; }
      }
      return v;`,
  };
}

/** Pass `pds`: p = e^(s − m) / z, then ds = p (dp − Σ p ∘ dp) / √d. */
function probabilitiesPass(n: PackedSizes): Pass {
  const { B, T, H, d } = n;
  const rows = B * H * T;
  const own = (head: string) => cell(n, head, 'this.thread.y', 'this.thread.x');
  /** Number 0, 1 or 2 of the row's stats. */
  const stat = (k: number, head: string) => `stats[${k * rows} + ${head} * ${T} + this.thread.y]`;
  const p = (head: string) => `Math.exp(sd[${own(head)}] - ${stat(0, head)}) / ${stat(1, head)}`;
  const second = headOfSecond(n);
  const dp = `sd[${rows * T} + ${own(second)}]`;
  return {
    name: 'pds',
    out: [T, T, 2 * B * H],
    inputs: { sd: 'sd', stats: 'stats' },
    body: `
      let v = 0.0;
      if (this.thread.z < ${B * H}) {
        v = ${p('this.thread.z')};
      } else {
        v = ${p(second)} * (${dp} - ${stat(2, second)}) * ${1 / Math.sqrt(d)};
      }
      return v;`,
  };
}

/** The result, [B, T, 3D]: dq = ds k, dk = dsᵀ q, dv = pᵀ g. A thread's x counts the columns of dq, dk and dv, D each. */
function gradientsPass(n: PackedSizes): Pass {
  const { B, T, D, H, d } = n;
  /** The head of the thread's column, which is column x − first of dq, dk or dv. */
  const head = (first: number) => `(this.thread.z * ${H} + ${quotient(`(this.thread.x - ${first})`, d)})`;
  const ds = (first: number, row: string, column: string) =>
    `pds[${B * H * T * T} + ${cell(n, head(first), row, column)}]`;
  const p = (i: string) => `pds[${cell(n, head(2 * D), i, 'this.thread.y')}]`;
  const token = (i: string) => `(this.thread.z * ${T} + ${i})`;
  const k = (i: string) => `qkv[${token(i)} * ${3 * D} + this.thread.x + ${D}]`; // for dq: column x of k stands D after column x of q
  const q = (i: string) => `qkv[${token(i)} * ${3 * D} + this.thread.x - ${D}]`; // for dk
  const g = (i: string) => `g[${token(i)} * ${D} + this.thread.x - ${2 * D}]`; // for dv
  return {
    out: [3 * D, T, B],
    inputs: { qkv: 0, g: 1, pds: 'pds' },
    body: `
      let s = 0.0;
      if (this.thread.x < ${D}) {
        ${loopSum(T, (i) => `${ds(0, 'this.thread.y', i)} * ${k(i)}`)}
      } else {
        if (this.thread.x < ${2 * D}) {
          ${loopSum(T, (i) => `${ds(D, i, 'this.thread.y')} * ${q(i)}`)}
        } else {
          ${loopSum(T, (i) => `${p(i)} * ${g(i)}`)}
        }
      }
      return s;`,
  };
}
