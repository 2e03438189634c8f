/** Multi-head self-attention with PyTorch's packed projection. */
import { linear, narrow, type Rng, ShapeError, selfAttention, type Tensor, zeros } from '../core/index.ts';
import { parameter, xavierUniform } from './init.ts';
import { Linear } from './linear.ts';

/**
 * Every token looks at every token.
 *
 *   [q k v] = x W_inᵀ + b_in;   y = softmax(q kᵀ / √headDim) v W_outᵀ + b_out
 *
 * x [batch, tokens, dim] → y [batch, tokens, dim]. Rows of W_in are ordered q, k, v; heads split them contiguously.
 *
 * @see Vaswani et al. 2017, arXiv:1706.03762
 */
export class MultiheadAttention {
  readonly in_proj_weight: Tensor; // [3·dim, dim]
  readonly in_proj_bias: Tensor; // [3·dim]
  readonly out_proj: Linear;
  readonly heads: number;

  constructor(dim: number, heads: number, rng: Rng) {
    if (dim % heads !== 0)
      throw new ShapeError(`MultiheadAttention: expected a width that ${heads} heads divide, got ${dim}.`);
    this.in_proj_weight = parameter(() => xavierUniform([3 * dim, dim], rng));
    this.in_proj_bias = parameter(() => zeros([3 * dim]));
    this.out_proj = new Linear(dim, dim, rng);
    this.out_proj.bias!.assign(new Float32Array(dim));
    this.heads = heads;
  }

  /** @param rows  the tokens that the result is wanted for; all unless given */
  forward(x: Tensor, rows?: TokenRange): Tensor {
    const qkv = linear(x, this.in_proj_weight, this.in_proj_bias); // [batch, tokens, 3·dim]
    return this.out_proj.forward(tokens(selfAttention(qkv, this.heads), rows));
  }
}

/** Neighboring tokens of a sequence. */
export interface TokenRange {
  readonly start: number;
  readonly count: number;
}

/** These tokens of x [batch, tokens, dim]; all of them when no range is given. */
export const tokens = (x: Tensor, rows?: TokenRange): Tensor => (rows ? narrow(x, 1, rows.start, rows.count) : x);
