/** Scaled dot-product attention: of any queries, keys and values, and fused for self-attention. */

import { expectKnown, expectOption, ShapeError } from '../errors.ts';
import { loopSum, quotient } from '../kernel-source.ts';
import { defineOp, expectTensors, type Op } from '../op.ts';
import { divides, type Shape, show } from '../shape.ts';
import type { Tensor } from '../tensor.ts';
import { selfAttentionGrad } from './attention-grad.ts';
import { less, mul, where } from './elementwise.ts';
import { max } from './extremes.ts';
import { findScore, mergeHeads, packedSizes, splitHeads } from './heads.ts';
import { matmul } from './matmul.ts';
import { split } from './movement.ts';
import { softmaxPass } from './reduce-passes.ts';
import { softmax } from './softmax.ts';

/** Options of `attention`. */
export interface AttentionOptions {
  /**
   * Which keys a query may attend to: 1 yes, 0 no, PyTorch's boolean convention. Broadcasts to
   * [batch, heads, queries, keys]; `tril(ones([n, n]))` is causal. A query that may attend to nothing gets zeros.
   */
  mask?: Tensor | null | undefined;
  /** Factor of the scores; default 1/√d. */
  scale?: number | undefined;
}

/** Score of a masked key. Finite, since GPUs may lose infinities; e^MASKED is 0 beside any score of a network. */
const MASKED = -1e30;

/**
 * Attention: each query gets a mean of the values, weighted by how well the keys match it.
 *
 *   y = softmax(q kᵀ / √d) v
 *
 * PyTorch's `scaled_dot_product_attention`, but a query whose keys are all masked gets zeros, and zero gradients, not NaN.
 * Keys may come from elsewhere than queries (cross-attention). `selfAttention` is faster where they do not.
 *
 * @param q  [batch, heads, queries, d]; heads, or any leading axes, broadcast
 * @param k  [batch, heads, keys, d]
 * @param v  [batch, heads, keys, dv]
 * @returns  [batch, heads, queries, dv]
 * @throws ShapeError when q, k and v do not fit each other, or the mask does not broadcast to the scores; OptionError for an
 *   unknown option, and on `cpu` and `reference` for a mask of other numbers
 * @see Vaswani et al. 2017, arXiv:1706.03762, eq. 1
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, options: AttentionOptions = {}): Tensor {
  expectTensors('attention', q, k, v);
  expectKnown('attention', options, ['mask', 'scale']);
  const { mask, scale = 1 / Math.sqrt(q.shape.at(-1) ?? 1) } = options;
  if (
    q.rank < 2 ||
    k.rank < 2 ||
    v.rank < 2 ||
    q.shape.at(-1) !== k.shape.at(-1) ||
    k.shape.at(-2) !== v.shape.at(-2)
  ) {
    throw new ShapeError(
      `attention: expected q [..., queries, d], k [..., keys, d] and v [..., keys, dv], got q ${show(q.shape)}, k ${show(k.shape)} and v ${show(v.shape)}.`,
    );
  }
  const scores = mul(matmul(q, k, { transposeB: true }), scale); // [batch, heads, queries, keys]
  if (!mask) return matmul(softmax(scores), v);
  checkMask(mask, scores.shape);
  const y = matmul(softmax(where(mask, scores, MASKED)), v);
  const attends = less(0, max(mask, -1, true)); // [batch, heads, queries, 1]: 0 where every key is masked
  return where(attends, y, 0);
}

function checkMask(mask: Tensor, scores: Shape): void {
  expectTensors('attention, mask', mask);
  const { shape, device } = mask;
  const lead = scores.length - shape.length;
  if (shape.length === 0 || lead < 0 || shape.some((d, i) => d !== 1 && d !== scores[lead + i]))
    throw new ShapeError(
      `attention: expected a mask that broadcasts to the scores [..., queries, keys], ${show(scores)}, got ${show(shape)}.`,
    );
  if (!device.synchronous || mask.disposed) return; // a disposed one is the op's to report
  const wrong = mask.dataSync().find((m) => m !== 0 && m !== 1);
  expectOption(
    wrong === undefined,
    'attention, mask',
    '1 (may attend) and 0 (may not)',
    wrong,
    'For a mask that is added to scores, 0 and −∞, pass equal(mask, 0).',
  );
}

/** Primitive behind `selfAttention` without a mask. */
const attend: Op<[qkv: Tensor, options: { heads: number }]> = defineOp({
  name: 'selfAttention',
  shape: (qkv, { heads }) => {
    checkPacked(qkv, heads);
    return [qkv[0], qkv[1], qkv[2] / 3];
  },
  vjp: ({ g }, qkv, options) => [() => selfAttentionGrad(qkv, g, options)],
  kernel: (_, qkv, { heads }) => {
    const n = packedSizes(qkv, heads);
    const { B, T, D, H, d } = n;
    const rows = B * H * T;
    const row = `((this.thread.z * ${H} + ${quotient('this.thread.x', d)}) * ${T} + this.thread.y)`;
    const value = (i: string) => `qkv[(this.thread.z * ${T} + ${i}) * ${3 * D} + ${2 * D} + this.thread.x]`;
    return [
      // s = q·k / √d, [B·H, T, T]
      {
        name: 's',
        out: [T, T, B * H],
        inputs: { qkv: 0 },
        body: `
          let s = 0.0;
          ${findScore(n)}
          return s;`,
      },
      // of each row of scores m = max s, then z = Σ e^(s − m)
      softmaxPass('s', 's', rows, T),
      // y = Σ e^(s − m) v / z, [B, T, D]
      {
        out: [D, T, B],
        inputs: { qkv: 0, s: 's', mz: 'mz' },
        body: `
          let y = 0.0;
          ${loopSum(T, (i) => `Math.exp(s[${row} * ${T} + ${i}] - mz[${row}]) * ${value(i)}`, { s: 'y' })}
          return y / mz[${rows} + ${row}];`,
      },
    ];
  },
});

function checkPacked(qkv: Shape, heads: number): void {
  if (qkv.length === 3 && divides(heads, qkv[2] / 3)) return;
  throw new ShapeError(
    `selfAttention: expected qkv [batch, tokens, 3·dim] with dim divisible by ${heads} heads, got ${show(qkv)}.`,
  );
}

/**
 * Multi-head self-attention over packed projections: y = softmax(q kᵀ / √d) v for every batch entry and head. Without a
 * mask it is one fused op, which is faster than `attention`.
 *
 * @param qkv      [batch, tokens, 3·dim]: q, k, v side by side, as the rows of PyTorch's in_proj_weight give them, each with
 *   its heads side by side
 * @param options  `mask` as for `attention`: broadcasts to [batch, heads, tokens, tokens], 1 where a query may attend to a key
 * @returns        [batch, tokens, dim], heads side by side
 * @throws ShapeError when 3·heads does not divide the last axis, or the mask does not broadcast; OptionError for an unknown
 *   option
 */
export function selfAttention(qkv: Tensor, heads: number, options: Pick<AttentionOptions, 'mask'> = {}): Tensor {
  expectKnown('selfAttention', options, ['mask']);
  const { mask } = options;
  if (!mask) return attend(qkv, { heads });
  checkPacked(qkv.shape, heads);
  const [q, k, v] = split(splitHeads(qkv, 3 * heads), 3, 1); // [batch, heads, tokens, d] each
  return mergeHeads(attention(q, k, v, { mask }));
}
