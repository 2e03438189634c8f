/**
 * UViTBert: the transformer with long skip connections that generates the tokens of S-128, under its published names.
 */
import {
  add,
  concat,
  type Device,
  embedding,
  expectRng,
  gelu,
  narrow,
  type Rng,
  selfAttention,
  type Tensor,
  zeros,
} from '../core/index.ts';
import { block, Embedding, LayerNorm, Linear, parameter } from '../nn/index.ts';
import { checkGeneratorConfig, type GeneratorConfig, vocabularySize } from './config.ts';
import { expectSequence, type ForwardOptions, type Generator, tokensAt } from './generator.ts';
import { initializeGenerator } from './init.ts';

/**
 * A pre-norm transformer over a class token and K image tokens, with long skips. No dropout.
 *
 *   block      x ← x + attention(norm1(x));   x ← x + fc2(gelu(fc1(norm2(x))))
 *   skip       x ← skip_linear([x, skipped])  in front of each block of the second half
 *
 * ⌊layers/2⌋ blocks, one in the middle, ⌊layers/2⌋ blocks. The output of block i skips to the i-th block from the end.
 *
 * @see Bao et al. 2022, arXiv:2209.12152
 */
export class UViTBert implements Generator {
  readonly config: GeneratorConfig;
  readonly pos_embed: Tensor; // [1, 1+K, width]
  readonly embeddings: Embedding;
  readonly in_blocks: UViTBlock[];
  readonly mid_block: UViTBlock;
  readonly out_blocks: UViTBlock[];
  readonly norm: LayerNorm;
  readonly lm_head: Linear;

  constructor(config: GeneratorConfig, rng: Rng) {
    expectRng('UViTBert', rng);
    checkGeneratorConfig(config);
    const { width, layers, latentTokens, codebookSize } = config;
    const half = Array.from({ length: Math.floor(layers / 2) });
    this.config = config;
    this.pos_embed = parameter(() => zeros([1, latentTokens + 1, width]));
    this.embeddings = new Embedding(vocabularySize(config), width, rng);
    this.in_blocks = half.map(() => new UViTBlock(config, rng, false));
    this.mid_block = new UViTBlock(config, rng, false);
    this.out_blocks = half.map(() => new UViTBlock(config, rng, true));
    this.norm = new LayerNorm(width);
    this.lm_head = new Linear(width, codebookSize, rng);
    initializeGenerator(this, config.initializerRange, rng);
  }

  get device(): Device {
    return this.lm_head.weight.device;
  }

  forward(sequence: Tensor, options?: ForwardOptions): Tensor {
    return this.head(this.hiddenStates(sequence, options));
  }

  hiddenStates(sequence: Tensor, { tap, positions }: ForwardOptions = {}): Tensor {
    expectSequence('UViTBert', this.config, sequence);
    let x = add(embedding(this.embeddings.weight, sequence), this.pos_embed); // [batch, 1+K, width]
    const skips: Tensor[] = [];
    for (const [i, block] of this.in_blocks.entries()) {
      x = block.forward(x);
      skips.push(x);
      tap?.(`in_blocks.${i}`, x);
    }
    const last = this.out_blocks.length - 1;
    x = this.mid_block.forward(x, undefined, last < 0 ? positions : undefined);
    tap?.('mid_block', x);
    for (const [i, block] of this.out_blocks.entries()) {
      x = block.forward(x, skips.pop(), i === last ? positions : undefined);
      tap?.(`out_blocks.${i}`, x);
    }
    x = this.norm.forward(x);
    tap?.('norm', x);
    return positions ? x : narrow(x, 1, 1, this.config.latentTokens); // [batch, K, width]
  }

  head(hidden: Tensor): Tensor {
    return this.lm_head.forward(hidden);
  }
}

class UViTBlock {
  readonly norm1: LayerNorm;
  readonly attn: { qkv: Linear; proj: Linear };
  readonly norm2: LayerNorm;
  readonly mlp: { fc1: Linear; fc2: Linear };
  readonly skip_linear?: Linear;
  readonly #heads: number;

  constructor({ width, heads, mlpWidth }: GeneratorConfig, rng: Rng, skip: boolean) {
    this.#heads = heads;
    this.norm1 = new LayerNorm(width);
    this.attn = { qkv: new Linear(width, 3 * width, rng, { bias: false }), proj: new Linear(width, width, rng) };
    this.norm2 = new LayerNorm(width);
    this.mlp = { fc1: new Linear(width, mlpWidth, rng), fc2: new Linear(mlpWidth, width, rng) };
    if (skip) this.skip_linear = new Linear(2 * width, width, rng);
  }

  /** Attention reads every token; the result is for those at `positions`. */
  forward(input: Tensor, skip?: Tensor, positions?: Tensor): Tensor {
    return block(() => {
      const x = this.skip_linear && skip ? this.skip_linear.forward(concat([input, skip], -1)) : input;
      const mixed = selfAttention(this.attn.qkv.forward(this.norm1.forward(x)), this.#heads);
      const a = add(tokensAt(x, positions), this.attn.proj.forward(tokensAt(mixed, positions)));
      return add(a, this.mlp.fc2.forward(gelu(this.mlp.fc1.forward(this.norm2.forward(a)))));
    });
  }
}
