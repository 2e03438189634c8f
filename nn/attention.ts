/** Multi-head attention with PyTorch's packed projection: self-attention, cross-attention and masks. */
import {
  attention,
  divides,
  expectKnown,
  expectRng,
  linear,
  mergeHeads,
  narrow,
  type Rng,
  ShapeError,
  selfAttention,
  split,
  splitHeads,
  type Tensor,
  zeros,
} from '../core/index.ts';
import { parameter, xavierUniform } from './init.ts';
import { Linear } from './linear.ts';

/** Options of `MultiheadAttention.forward`. */
export interface MultiheadAttentionOptions {
  /** Cross-attention: what keys and values are made from, [batch, keys, dim]. Default: x itself. */
  readonly keyValue?: Tensor | undefined;
  /**
   * 1 where a query may attend to a key, 0 where it may not; broadcastable to [batch, heads, queries, keys]. Default: all
   * ones. `tril(ones([tokens, tokens]))` is causal; padding is [batch, 1, 1, keys]. Masks mean the same in PyTorch's
   * `scaled_dot_product_attention`, and the opposite in its `MultiheadAttention`.
   */
  readonly mask?: Tensor | undefined;
  /** Returns the result of these tokens only. Default: all tokens of x. */
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
    expectRng('MultiheadAttention', rng);
    if (!divides(heads, dim))
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
   * @throws ShapeError when shapes do not fit; OptionError for an unknown option
   */
  forward(x: Tensor, options: MultiheadAttentionOptions = {}): Tensor {
    expectKnown('MultiheadAttention.forward', options, ['keyValue', 'mask', 'rows']);
    const { keyValue, mask, rows } = options;
    const mixed = keyValue ? this.#cross(x, keyValue, mask) : this.#self(x, mask); // [batch, tokens, dim]
    return this.out_proj.forward(tokens(mixed, rows));
  }

  #self(x: Tensor, mask: Tensor | undefined): Tensor {
    return selfAttention(linear(x, this.in_proj_weight, this.in_proj_bias), this.heads, { mask });
  }

  #cross(x: Tensor, keyValue: Tensor, mask: Tensor | undefined): Tensor {
    const weights = split(this.in_proj_weight, 3);
    const biases = split(this.in_proj_bias, 3);
    const [q, k, v] = [x, keyValue, keyValue].map(
      (source, i) => splitHeads(linear(source, weights[i], biases[i]), this.heads), // [batch, heads, tokens, headDim]
    );
    return mergeHeads(attention(q, k, v, { mask }));
  }
}

/** These tokens of x [batch, tokens, dim], or all of them. */
export const tokens = (x: Tensor, rows?: TokenRange): Tensor => (rows ? narrow(x, 1, rows.start, rows.count) : x);
