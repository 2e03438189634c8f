/** The block of a DiT: a pre-norm transformer block that time and class modulate. */
import {
  add,
  gelu,
  layerNorm,
  mul,
  ones,
  type Rng,
  reshape,
  selfAttention,
  silu,
  split,
  type Tensor,
  zeros,
} from '../core/index.ts';
import { block, Linear, parameter } from '../nn/index.ts';

const EPS = 1e-6;

/** Layer norm without weights. */
export class PlainNorm {
  readonly #gain: Tensor; // private, so that nothing trains them
  readonly #bias: Tensor;

  constructor(width: number) {
    this.#gain = parameter(() => ones([width]));
    this.#bias = parameter(() => zeros([width]));
  }

  /** x [..., width] → the shape of x */
  forward(x: Tensor): Tensor {
    return layerNorm(x, this.#gain, this.#bias, EPS);
  }
}

/** x (1 + scale) + shift, with shift and scale [batch, 1, width] for all tokens of x [batch, tokens, width]. */
export const modulate = (x: Tensor, shift: Tensor, scale: Tensor): Tensor => add(mul(x, add(scale, 1)), shift);

/** The parts of a modulation [batch, parts·width] of c [batch, width]: [batch, 1, width] each. */
export function modulation(c: Tensor, { 1: linear }: { readonly 1: Linear }, parts: number): Tensor[] {
  return split(reshape(linear.forward(silu(c)), [c.shape[0], 1, -1]), parts, -1);
}

/**
 * A block whose norms are shifted and scaled, and whose branches are gated, by what time and class say (adaLN-Zero):
 *
 *   shift₁, scale₁, gate₁, shift₂, scale₂, gate₂ = W silu(c) + b
 *   x ← x + gate₁ attention(norm(x) (1 + scale₁) + shift₁)
 *   x ← x + gate₂ mlp(norm(x) (1 + scale₂) + shift₂)
 *
 * `initializeDiT` sets W and b to 0: every block starts as the identity. GELU is exact; the published models approximate it.
 *
 * @see Peebles and Xie 2022, arXiv:2212.09748, section 3.2
 */
export class DiTBlock {
  readonly attn: { readonly qkv: Linear; readonly proj: Linear };
  readonly mlp: { readonly fc1: Linear; readonly fc2: Linear };
  readonly adaLN_modulation: { readonly 1: Linear };
  readonly #norm: PlainNorm;
  readonly #heads: number;

  constructor(width: number, heads: number, mlpWidth: number, rng: Rng) {
    this.attn = { qkv: new Linear(width, 3 * width, rng), proj: new Linear(width, width, rng) };
    this.mlp = { fc1: new Linear(width, mlpWidth, rng), fc2: new Linear(mlpWidth, width, rng) };
    this.adaLN_modulation = { 1: new Linear(width, 6 * width, rng) };
    this.#norm = new PlainNorm(width);
    this.#heads = heads;
  }

  /**
   * @param x  [batch, tokens, width]
   * @param c  [batch, width]: time and class
   * @returns  the shape of x
   */
  forward(x: Tensor, c: Tensor): Tensor {
    return block(() => {
      const [shift1, scale1, gate1, shift2, scale2, gate2] = modulation(c, this.adaLN_modulation, 6);
      const { attn, mlp } = this;
      const qkv = attn.qkv.forward(modulate(this.#norm.forward(x), shift1, scale1));
      const a = add(x, mul(gate1, attn.proj.forward(selfAttention(qkv, this.#heads))));
      const hidden = gelu(mlp.fc1.forward(modulate(this.#norm.forward(a), shift2, scale2)));
      return add(a, mul(gate2, mlp.fc2.forward(hidden)));
    });
  }
}
