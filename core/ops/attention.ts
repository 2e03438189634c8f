/** Scaled dot-product attention (Vaswani et al. 2017, arXiv:1706.03762), fused over packed projections. */

import { ShapeError } from '../errors.ts';
import { loopSum, quotient, remainder } from '../kernel-source.ts';
import { defineOp, type Op } from '../op.ts';
import { type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { mul } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { concat, permute, reshape, split } from './movement.ts';
import { softmax } from './softmax.ts';

type Heads = { heads: number };

/** Sizes of a packed [B, T, 3D]: q, k and v stand side by side, each with its heads side by side. */
function sizes(qkv: Shape, heads: number) {
  const [B, T, D3] = qkv as [number, number, number];
  return { B, T, D: D3 / 3, d: D3 / 3 / heads, heads };
}
/** Source of q (part 0), k (1) or v (2) at token t, channel c of a head; `bh` counts batch · heads + head. */
const packed = ({ T, D, d, heads }: ReturnType<typeof sizes>, part: number, bh: string, t: string, c: string) =>
  `qkv[(${quotient(bh, heads)} * ${T} + ${t}) * ${3 * D} + ${part * D} + ${remainder(bh, heads)} * ${d} + ${c}]`;

/** Source of the score q·k / √d of query this.thread.y and key this.thread.x, in the variable `s`. */
function scoreLoop(n: ReturnType<typeof sizes>): string {
  const q = packed(n, 0, 'this.thread.z', 'this.thread.y', 'i');
  const k = packed(n, 1, 'this.thread.z', 'this.thread.x', 'i');
  return `${loopSum(n.d, `${q} * ${k}`)} s = s * ${1 / Math.sqrt(n.d)};`;
}

/** Users call `attention`. */
const attend: Op<[qkv: Tensor, options: Heads]> = defineOp({
  name: 'attention',
  shape: (qkv, { heads }) => {
    if (qkv.length !== 3 || qkv[2] % (3 * heads) !== 0) {
      throw new ShapeError(
        `attention: expected qkv [batch, tokens, 3·dim] with dim divisible by ${heads} heads, got ${show(qkv)}.`,
      );
    }
    return [qkv[0], qkv[1], qkv[2] / 3];
  },
  vjp: ({ g }, qkv, options) => [() => attentionGrad(qkv, g, options)],
  kernel: (_, qkv, { heads }) => {
    const n = sizes(qkv, heads);
    const { B, T, D, d } = n;
    const rows = B * heads * T;
    const cell = `s[(this.thread.y * ${T} + this.thread.x) * ${T} + i]`;
    const row = `((this.thread.z * ${heads} + ${quotient('this.thread.x', d)}) * ${T} + this.thread.y)`;
    const v = `qkv[(this.thread.z * ${T} + i) * ${3 * D} + ${2 * D} + this.thread.x]`;
    return [
      { name: 's', out: [T, T, B * heads], inputs: { qkv: 0 }, body: `let s = 0.0; ${scoreLoop(n)} return s;` },
      {
        name: 'mz', // of each row of scores the maximum m, and behind them z = Σ e^(s − m)
        out: [T, B * heads, 2],
        inputs: { s: 's' },
        body:
          `let m = ${cell.replace('+ i]', '+ 0]')}; for (let i = 0; i < ${T}; i++) { m = Math.max(m, ${cell}); } ` +
          `let v = m; if (this.thread.z > 0) { v = 0.0; ${loopSum(T, `Math.exp(${cell} - m)`, 'i', 'v')} } return v;`,
      },
      {
        out: [D, T, B],
        inputs: { qkv: 0, s: 's', mz: 'mz' },
        body: `let y = 0.0; ${loopSum(T, `Math.exp(s[${row} * ${T} + i] - mz[${row}]) * ${v}`, 'i', 'y')} return y / mz[${rows} + ${row}];`,
      },
    ];
  },
});

/**
 * Gradient of attention with respect to the packed qkv; probabilities p are worked out again.
 *
 *   dv = pᵀ g      ds = p ∘ (g vᵀ − Σ p ∘ g vᵀ) / √d      dq = ds k      dk = dsᵀ q
 */
export const attentionGrad: Op<[qkv: Tensor, g: Tensor, options: Heads]> = defineOp({
  name: 'attentionGrad',
  shape: (qkv) => qkv,
  vjp: ({ through }, qkv, g, { heads }) => through((qkv, g) => attentionGradComposite(qkv, g, heads), qkv, g),
  kernel: (_, qkv, _g, { heads }) => {
    const n = sizes(qkv, heads);
    const { B, T, D, d } = n;
    const [BH, rows, cells] = [B * heads, B * heads * T, B * heads * T * T];
    const second = `(this.thread.z - ${BH})`;
    const g = `g[(${quotient(second, heads)} * ${T} + this.thread.y) * ${D} + ${remainder(second, heads)} * ${d} + i]`;
    const v = packed(n, 2, second, 'this.thread.x', 'i');
    const scores = `(this.thread.y * ${T} + this.thread.x) * ${T}`; // of row this.thread.x in head this.thread.y
    const cell = (z: string) => `(${z} * ${T} + this.thread.y) * ${T} + this.thread.x`;
    const row = (z: string) => `${z} * ${T} + this.thread.y`;
    const p = (z: string) => `Math.exp(sd[${cell(z)}] - stats[${row(z)}]) / stats[${rows} + ${row(z)}]`;
    const head = (part: number) => `(this.thread.z * ${heads} + ${quotient(`(this.thread.x - ${part * D})`, d)})`;
    const at = (row: string, column: string, part: number) => `(${head(part)} * ${T} + ${row}) * ${T} + ${column}`;
    const other = (t: string, part: number, from: number) =>
      `qkv[(this.thread.z * ${T} + ${t}) * ${3 * D} + this.thread.x - ${from * D} + ${part * D}]`;
    return [
      {
        name: 'sd', // scores of all heads, then g vᵀ of all heads
        out: [T, T, 2 * BH],
        inputs: { qkv: 0, g: 1 },
        body: `let s = 0.0; if (this.thread.z < ${BH}) { ${scoreLoop(n)} } else { ${loopSum(d, `${g} * ${v}`)} } return s;`,
      },
      {
        name: 'stats', // of each row of scores m, then z, then Σ p ∘ g vᵀ
        out: [T, BH, 3],
        inputs: { sd: 'sd' },
        body:
          `let m = sd[${scores}]; for (let i = 0; i < ${T}; i++) { m = Math.max(m, sd[${scores} + i]); } let v = m; ` +
          `if (this.thread.z > 0) { let z = 0.0; let t = 0.0; for (let i = 0; i < ${T}; i++) { ` +
          `const e = Math.exp(sd[${scores} + i] - m); z += e; t += e * sd[${cells} + ${scores} + i]; } ` +
          `v = z; if (this.thread.z > 1) { v = t / z; } } return v;`,
      },
      {
        name: 'pds', // p of all heads, then ds
        out: [T, T, 2 * BH],
        inputs: { sd: 'sd', stats: 'stats' },
        body:
          `let v = 0.0; if (this.thread.z < ${BH}) { v = ${p('this.thread.z')}; } else { ` +
          `v = ${p(second)} * (sd[${cells} + ${cell(second)}] - stats[${2 * rows} + ${row(second)}]) * ${1 / Math.sqrt(d)}; } return v;`,
      },
      {
        out: [3 * D, T, B],
        inputs: { qkv: 0, g: 1, pds: 'pds' },
        body:
          `let s = 0.0; if (this.thread.x < ${D}) { ${loopSum(T, `pds[${cells} + ${at('this.thread.y', 'i', 0)}] * ${other('i', 1, 0)}`)} } ` +
          `else { if (this.thread.x < ${2 * D}) { ${loopSum(T, `pds[${cells} + ${at('i', 'this.thread.y', 1)}] * ${other('i', 0, 1)}`)} } ` +
          `else { ${loopSum(T, `pds[${at('i', 'this.thread.y', 2)}] * g[(this.thread.z * ${T} + i) * ${D} + this.thread.x - ${2 * D}]`)} } } return s;`,
      },
    ];
  },
});

/**
 * Multi-head self-attention over packed projections: y = softmax(q kᵀ / √d) v for every batch entry and head.
 *
 * @param qkv [batch, tokens, 3·dim]: q, k, v side by side, as the rows of PyTorch's in_proj_weight give them
 * @returns [batch, tokens, dim], heads side by side
 */
export const attention = (qkv: Tensor, heads: number): Tensor => attend(qkv, { heads });

/** q, k, v [batch, heads, tokens, d] out of a packed [batch, tokens, 3·dim]. */
function unpack(qkv: Tensor, heads: number): Tensor[] {
  const [B, T, D3] = qkv.shape as [number, number, number];
  const parts = permute(reshape(qkv, [B, T, 3, heads, D3 / 3 / heads]), [2, 0, 3, 1, 4]);
  return split(parts, 3).map((t) => reshape(t, t.shape.slice(1)));
}

/** Attention from elementary ops: the oracle of the fused kernel. */
export function attentionComposite(qkv: Tensor, heads: number): Tensor {
  const [q, k, v] = unpack(qkv, heads) as [Tensor, Tensor, Tensor];
  const y = scaledDotProductAttention(q, k, v);
  return reshape(permute(y, [0, 2, 1, 3]), [qkv.shape[0], qkv.shape[1], -1]);
}

function attentionGradComposite(qkv: Tensor, g: Tensor, heads: number): Tensor {
  const [q, k, v] = unpack(qkv, heads) as [Tensor, Tensor, Tensor];
  const [B, T, D] = g.shape as [number, number, number];
  const scale = 1 / Math.sqrt(D / heads);
  const go = permute(reshape(g, [B, T, heads, D / heads]), [0, 2, 1, 3]);
  const p = softmax(mul(matmul(q, k, { transposeB: true }), scale));
  const dp = matmul(go, v, { transposeB: true });
  const inner = mul(p, dp);
  const ds = mul(inner.sub(mul(p, inner.sum(-1, true))), scale);
  const grads = [matmul(ds, k), matmul(ds, q, { transposeA: true }), matmul(p, go, { transposeA: true })];
  return concat(
    grads.map((t) => reshape(permute(t, [0, 2, 1, 3]), [B, T, D])),
    2,
  );
}

/** softmax(q kᵀ · scale) v. q, k, v [..., tokens, d]; scale is 1/√d unless given. */
export function scaledDotProductAttention(
  q: Tensor,
  k: Tensor,
  v: Tensor,
  scale = 1 / Math.sqrt(q.shape.at(-1)!),
): Tensor {
  return matmul(softmax(mul(matmul(q, k, { transposeB: true }), scale)), v);
}
