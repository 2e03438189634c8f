/** The transformer block of TiTok's encoder and decoder. */
import { expectKnown, expectOption, expectRng, gelu, type Rng, type Tensor } from '../core/index.ts';
import { MultiheadAttention, type MultiheadAttentionOptions, tokens } from './attention.ts';
import { block } from './block.ts';
import { Linear } from './linear.ts';
import { LayerNorm } from './norm.ts';

/**
 * Pre-norm block with exact GELU. Field names are those of the published checkpoints (and of CLIP).
 *
 *   x ← x + attn(ln_1(x));   x ← x + c_proj(gelu(c_fc(ln_2(x))))
 */
export class TransformerBlock {
  readonly ln_1: LayerNorm;
  readonly attn: MultiheadAttention;
  readonly ln_2: LayerNorm;
  readonly mlp: { readonly c_fc: Linear; readonly c_proj: Linear };

  /**
   * @param mlpRatio  width of the hidden layer, in multiples of `dim`
   * @throws OptionError when that is less than one
   */
  constructor(dim: number, heads: number, rng: Rng, mlpRatio = 4) {
    expectRng('TransformerBlock', rng);
    const hidden = Math.round(dim * mlpRatio);
    expectOption(
      hidden >= 1,
      'TransformerBlock, mlpRatio',
      `a factor that makes the width of ${dim} at least 1`,
      mlpRatio,
    );
    this.ln_1 = new LayerNorm(dim);
    this.attn = new MultiheadAttention(dim, heads, rng);
    this.ln_2 = new LayerNorm(dim);
    this.mlp = { c_fc: new Linear(dim, hidden, rng), c_proj: new Linear(hidden, dim, rng) };
  }

  /**
   * With `rows`, attention still reads every token, and the rest of the block runs for these tokens only.
   *
   * @param x  [batch, tokens, dim]
   * @returns  [batch, tokens, dim], or [batch, rows.count, dim]
   * @throws OptionError for an unknown option
   */
  forward(x: Tensor, options: Pick<MultiheadAttentionOptions, 'mask' | 'rows'> = {}): Tensor {
    expectKnown('TransformerBlock.forward', options, ['mask', 'rows']);
    const { mask, rows } = options;
    return block(() => {
      const a = tokens(x, rows).add(this.attn.forward(this.ln_1.forward(x), { mask, rows }));
      const { c_fc, c_proj } = this.mlp;
      return a.add(c_proj.forward(gelu(c_fc.forward(this.ln_2.forward(a)))));
    });
  }
}
