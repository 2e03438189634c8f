/** The transformer block of TiTok's encoder and decoder. */
import { gelu, type Rng, type Tensor } from '../core/index.ts';
import { MultiheadAttention, type TokenRange, tokens } from './attention.ts';
import { Linear } from './linear.ts';
import { LayerNorm } from './norm.ts';

/**
 * Pre-norm block with exact GELU.
 *
 *   x ← x + attn(ln_1(x));   x ← x + c_proj(gelu(c_fc(ln_2(x))))
 *
 * x [batch, tokens, dim] → [batch, tokens, dim]
 */
export class TransformerBlock {
  readonly ln_1: LayerNorm;
  readonly attn: MultiheadAttention;
  readonly ln_2: LayerNorm;
  readonly mlp: { readonly c_fc: Linear; readonly c_proj: Linear };

  constructor(dim: number, heads: number, rng: Rng, mlpRatio = 4) {
    const hidden = Math.round(dim * mlpRatio);
    this.ln_1 = new LayerNorm(dim);
    this.attn = new MultiheadAttention(dim, heads, rng);
    this.ln_2 = new LayerNorm(dim);
    this.mlp = { c_fc: new Linear(dim, hidden, rng), c_proj: new Linear(hidden, dim, rng) };
  }

  /**
   * @param rows  the tokens that the result is wanted for, when not all are: attention still reads every token, and
   *   what only concerns the others is left out; returns [batch, count, dim]
   */
  forward(x: Tensor, rows?: TokenRange): Tensor {
    const attended = this.attn.forward(this.ln_1.forward(x), rows);
    x = tokens(x, rows).add(attended);
    const { c_fc, c_proj } = this.mlp;
    return x.add(c_proj.forward(gelu(c_fc.forward(this.ln_2.forward(x)))));
  }
}
