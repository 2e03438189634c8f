/** Multi-head attention with PyTorch's packed projection: self-attention, cross-attention and masks. */
import {
  attention,
  linear,
  narrow,
  type Rng,
  ShapeError,
  selfAttention,
  split,
  type Tensor,
  zeros,
} from '../core/index.ts';
import { parameter, xavierUniform } from './init.ts';
import { Linear } from './linear.ts';

export interface MultiheadAttentionOptions {
  /** Cross-attention: what keys and values are made from, [batch, keys, dim]. Default: x itself. */
  readonly keyValue?: Tensor | undefined;
  /**
   * 1 where a query may attend to a key, 0 where it may not; broadcastable to [batch, heads, queries, keys]. Default: all
   * ones. A causal mask is [tokens, tokens], padding [batch, 1, 1, keys]. PyTorch's `scaled_dot_product_attention` reads
   * masks in the same way; its `MultiheadAttention` reads them the other way round. Leave every query at least one key.
   */
  readonly mask?: Tensor | undefined;
  /** Computes the result of these tokens only. Default: all tokens of x. */
  readonly rows?: TokenRange | undefined;
}

/** Neighboring tokens of a sequence. */
export interface TokenRange {
  readonly start: number;
  readonly count: number;
}

/**
 * Every token attends to every token of its sequence, or of another one.
 *
 *   q = x W_qᵀ + b_q;   [k v] = keyValue [W_k W_v]ᵀ + [b_k b_v];   y = softmax(q kᵀ / √headDim) v W_outᵀ + b_out
 *
 * The rows of `in_proj_weight` are W_q, W_k, W_v in turn, each with its heads one after another. `in_proj_weight` starts
 * Xavier uniform, `out_proj.weight` as in `Linear`, biases at 0, all as in PyTorch.
 *
 * @see Vaswani et al. 2017, arXiv:1706.03762
 */
export class MultiheadAttention {
  readonly in_proj_weight: Tensor; // [3·dim, dim]
  readonly in_proj_bias: Tensor; // [3·dim]
  readonly out_proj: Linear;
  readonly heads: number;

  /** @throws ShapeError unless `heads` divides `dim` */
  constructor(dim: number, heads: number, rng: Rng) {
    if (dim % heads !== 0)
      throw new ShapeError(`MultiheadAttention: expected a width that ${heads} heads divide, got ${dim}.`);
    this.in_proj_weight = parameter(() => xavierUniform([3 * dim, dim], rng));
    this.in_proj_bias = parameter(() => zeros([3 * dim]));
    this.out_proj = new Linear(dim, dim, rng);
    this.out_proj.bias!.assign(new Float32Array(dim));
    this.heads = heads;
  }

  /**
   * @param x  [batch, tokens, dim]
   * @returns  [batch, tokens, dim], or [batch, rows.count, dim]
   * @throws ShapeError when shapes do not fit
   */
  forward(x: Tensor, { keyValue, mask, rows }: MultiheadAttentionOptions = {}): Tensor {
    if (!keyValue && !mask) {
      const qkv = linear(x, this.in_proj_weight, this.in_proj_bias); // [batch, tokens, 3·dim]
      return this.out_proj.forward(tokens(selfAttention(qkv, this.heads), rows));
    }
    const q = this.#project(tokens(x, rows), 0, 1)[0];
    const [k, v] = this.#project(keyValue ?? x, 1, 2);
    const wanted = mask && rows && mask.rank > 1 && mask.shape.at(-2) !== 1; // the mask has a row for each query
    const allowed = wanted ? narrow(mask, mask.rank - 2, rows.start, rows.count) : mask;
    const mixed = attention(q, k, v, { mask: allowed }); // [batch, heads, queries, headDim]
    return this.out_proj.forward(mixed.permute([0, 2, 1, 3]).reshape(tokens(x, rows).shape));
  }

  /** `count` of the projections W_q, W_k, W_v, from number `first` on: each [batch, heads, tokens, headDim]. */
  #project(x: Tensor, first: number, count: number): Tensor[] {
    const dim = this.in_proj_weight.shape[1];
    const weight = narrow(this.in_proj_weight, 0, first * dim, count * dim);
    const bias = narrow(this.in_proj_bias, 0, first * dim, count * dim);
    return split(linear(x, weight, bias), count, -1).map((part) =>
      part.reshape([x.shape[0], x.shape[1], this.heads, dim / this.heads]).permute([0, 2, 1, 3]),
    );
  }
}

/** These tokens of x [batch, tokens, dim], or all of them. */
export const tokens = (x: Tensor, rows?: TokenRange): Tensor => (rows ? narrow(x, 1, rows.start, rows.count) : x);
