/** ImageBert: the post-norm transformer that generates the tokens of L-32 and B-64, under its published names. */
import {
  add,
  type Device,
  embedding,
  expectRng,
  gelu,
  linears,
  matmul,
  mul,
  narrow,
  permute,
  type Rng,
  reshape,
  selfAttention,
  softmax,
  split,
  type Tensor,
} from '../core/index.ts';
import { block, dropout, Embedding, LayerNorm, Linear } from '../nn/index.ts';
import { checkGeneratorConfig, type GeneratorConfig, vocabularySize } from './config.ts';
import { expectSequence, type ForwardOptions, type Generator, type TokenKinds, tokensAt } from './generator.ts';
import { initializeGenerator } from './init.ts';

const EPS = 1e-12; // as BERT, not the usual 1e-5

/**
 * A post-norm transformer over a class token and K image tokens.
 *
 *   x0 = dropout(LN(word[id] + tokenType[0] + position[i]))
 *   a  = LN(x + dropout(Wo attention(x) + bo));   x ← LN(a + dropout(W2 gelu(W1 a + b1) + b2))
 *   logits = lm_head(x), not tied to the embeddings
 *
 * @see Devlin et al. 2018, arXiv:1810.04805; Chang et al. 2022, arXiv:2202.04200
 */
export class ImageBert implements Generator {
  readonly config: GeneratorConfig;
  readonly model: {
    embeddings: {
      word_embeddings: Embedding;
      position_embeddings: Embedding;
      token_type_embeddings: Embedding;
      LayerNorm: LayerNorm;
    };
    encoder: { layer: BertLayer[] };
    lm_head: Linear;
  };

  constructor(config: GeneratorConfig, rng: Rng) {
    expectRng('ImageBert', rng);
    checkGeneratorConfig(config);
    const { width, layers, latentTokens, codebookSize } = config;
    this.config = config;
    this.model = {
      embeddings: {
        word_embeddings: new Embedding(vocabularySize(config), width, rng),
        position_embeddings: new Embedding(latentTokens + 1, width, rng),
        token_type_embeddings: new Embedding(2, width, rng), // only row 0 is ever used
        LayerNorm: new LayerNorm(width, EPS),
      },
      encoder: { layer: Array.from({ length: layers }, () => new BertLayer(config, rng)) },
      lm_head: new Linear(width, codebookSize, rng),
    };
    initializeGenerator(this, config.initializerRange, rng);
  }

  get device(): Device {
    return this.model.lm_head.weight.device;
  }

  forward(sequence: Tensor, options?: ForwardOptions): Tensor {
    return this.head(this.hiddenStates(sequence, options));
  }

  hiddenStates(sequence: Tensor, { rng, tap, positions, kinds }: ForwardOptions = {}): Tensor {
    expectSequence('ImageBert', this.config, sequence);
    const { embeddings, encoder } = this.model;
    const words = embedding(embeddings.word_embeddings.weight, sequence); // [batch, 1+K, width]
    const type = narrow(embeddings.token_type_embeddings.weight, 0, 0, 1); // [1, width]
    const position = add(embeddings.position_embeddings.weight, type); // [1+K, width]
    let x = dropout(embeddings.LayerNorm.forward(add(words, position)), this.config.dropout, rng);
    tap?.('embeddings', x);
    const last = encoder.layer.length - 1;
    if (last < 0) x = tokensAt(x, positions);
    for (const [i, layer] of encoder.layer.entries()) {
      x = layer.forward(x, {
        rng,
        positions: i === last ? positions : undefined,
        kinds: i === 0 && !rng ? kinds : undefined, // dropout makes equal tokens differ
      });
      tap?.(`layer.${i}`, x);
    }
    return positions ? x : narrow(x, 1, 1, this.config.latentTokens); // [batch, K, width]
  }

  head(hidden: Tensor): Tensor {
    return this.model.lm_head.forward(hidden);
  }
}

class BertLayer {
  readonly attention: {
    self: { query: Linear; key: Linear; value: Linear };
    output: { dense: Linear; LayerNorm: LayerNorm };
  };
  readonly intermediate: { dense: Linear };
  readonly output: { dense: Linear; LayerNorm: LayerNorm };
  readonly #config: GeneratorConfig;

  constructor(config: GeneratorConfig, rng: Rng) {
    const { width, mlpWidth } = config;
    const square = () => new Linear(width, width, rng);
    this.#config = config;
    this.attention = {
      self: { query: square(), key: square(), value: square() },
      output: { dense: square(), LayerNorm: new LayerNorm(width, EPS) },
    };
    this.intermediate = { dense: new Linear(width, mlpWidth, rng) };
    this.output = { dense: new Linear(mlpWidth, width, rng), LayerNorm: new LayerNorm(width, EPS) };
  }

  /** Attention reads every token; the result is for those at `positions`. */
  forward(x: Tensor, options: ForwardOptions): Tensor {
    return block(() => this.#forward(x, options), options.rng);
  }

  #forward(x: Tensor, { rng, positions, kinds }: ForwardOptions): Tensor {
    const { dropout: p } = this.#config;
    const { dense, LayerNorm: norm } = this.attention.output;
    const mixed = tokensAt(this.#attend(x, rng, kinds), positions);
    const a = norm.forward(add(tokensAt(x, positions), dropout(dense.forward(mixed), p, rng)));
    const hidden = gelu(this.intermediate.dense.forward(a)); // [batch, tokens, mlpWidth]
    return this.output.LayerNorm.forward(add(a, dropout(this.output.dense.forward(hidden), p, rng)));
  }

  /**
   * Self-attention without its output projection. The three input projections are separate parameters but one product.
   */
  #attend(x: Tensor, rng: Rng | undefined, kinds: TokenKinds | undefined): Tensor {
    const { heads, attentionDropout } = this.#config;
    const parts = Object.values(this.attention.self);
    const weights = parts.map(({ weight }) => weight);
    const biases = parts.map(({ bias }) => bias!);
    const project = (x: Tensor) => linears(x, weights, biases);
    const qkv = kinds ? embedding(project(tokensAt(x, kinds.first)), kinds.of) : project(x); // [batch, tokens, 3·width]
    if (!rng || attentionDropout === 0) return selfAttention(qkv, heads);
    const [batch, tokens, width] = x.shape;
    const headDim = width / heads;
    const perHead = permute(reshape(qkv, [batch, tokens, 3 * heads, headDim]), [0, 2, 1, 3]);
    const [q, k, v] = split(perHead, 3, 1); // [batch, heads, tokens, headDim]
    const scores = mul(matmul(q, k, { transposeB: true }), headDim ** -0.5); // [batch, heads, tokens, tokens]
    const mixed = matmul(dropout(softmax(scores), attentionDropout, rng), v);
    return reshape(permute(mixed, [0, 2, 1, 3]), [batch, tokens, width]);
  }
}
