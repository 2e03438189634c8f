/** TiTok's decoder: mask tokens stand for the image, and latent tokens tell them what to become. In 2-D the tokens stand at their places. */
import {
  concat,
  expand,
  expectRng,
  linear,
  type Rng,
  reshape,
  ShapeError,
  type Tensor,
  tanh,
  transpose,
  upsampleNearest,
  zeros,
} from '../core/index.ts';
import { Conv2d, LayerNorm, Linear, parameter, runBlocks, type Tap, TransformerBlock } from '../nn/index.ts';
import { gridOf, type TiTokConfig } from './config.ts';
import { repeat } from './encoder.ts';
import { patchesToImage } from './patches.ts';

/**
 * From quantized latents to a teacher's logits or to pixels.
 *
 *   1-D   [class | G² masks | K latents] → ln_pre → blocks → positions 1..G² → ln_post → head
 *   2-D   [class | G² positions, each with the token of its patch] → ln_pre → blocks → positions 1..G² → ln_post → head
 *
 * Head 'proxy': two 1×1 convolutions with tanh between them → logits over a teacher's codes.
 * Head 'pixels': a 1×1 convolution → one patch per position → 3×3 convolution.
 */
export class TiTokDecoder {
  readonly class_embedding: Tensor; // [1, width]
  readonly positional_embedding: Tensor; // [G² + 1, width]
  readonly mask_token?: Tensor; // [1, 1, width]; 1-D
  readonly latent_token_positional_embedding?: Tensor; // [K, width]; 1-D
  readonly decoder_embed: Linear;
  readonly ln_pre: LayerNorm;
  readonly transformer: readonly TransformerBlock[];
  readonly ln_post: LayerNorm;
  readonly ffn: { readonly 0: Conv2d; readonly 2?: Conv2d };
  readonly conv_out?: Conv2d;
  readonly grid: number;
  readonly latentTokens: number;

  constructor(config: TiTokConfig, rng: Rng) {
    expectRng('TiTokDecoder', rng);
    const { width, layers, heads, patchSize } = config.decoder;
    this.grid = gridOf(config, 'decoder');
    this.latentTokens = config.latentTokens;
    this.class_embedding = parameter(() => zeros([1, width]));
    this.positional_embedding = parameter(() => zeros([this.grid ** 2 + 1, width]));
    if (config.variant !== '2d') {
      this.mask_token = parameter(() => zeros([1, 1, width]));
      this.latent_token_positional_embedding = parameter(() => zeros([config.latentTokens, width]));
    }
    this.decoder_embed = new Linear(config.tokenSize, width, rng);
    this.ln_pre = new LayerNorm(width);
    this.transformer = Array.from({ length: layers }, () => new TransformerBlock(width, heads, rng));
    this.ln_post = new LayerNorm(width);
    if (config.head === 'proxy') {
      this.ffn = {
        0: new Conv2d(width, 2 * width, 1, rng),
        2: new Conv2d(2 * width, config.proxyCodebookSize, 1, rng),
      };
    } else {
      this.ffn = { 0: new Conv2d(width, 3 * patchSize ** 2, 1, rng) };
      this.conv_out = new Conv2d(3, 3, 3, rng, { padding: 1 });
    }
  }

  /** Weight of the layer that gives pixels or logits. */
  get lastLayer(): Tensor {
    return (this.conv_out ?? this.ffn[2]!).weight;
  }

  /**
   * Predicts the image from quantized latents.
   *
   * @param z [batch, C, 1, K]
   * @returns logits [batch, proxyCodebookSize, G, G], or images [batch, 3, size, size], not clamped
   * @throws ShapeError for latents of another shape
   */
  forward(z: Tensor, tap?: Tap): Tensor {
    const [batch, tokenSize] = z.shape;
    const expected = [batch, this.decoder_embed.weight.shape[1], 1, this.latentTokens];
    if (!(batch > 0) || `${z.shape}` !== `${expected}`) {
      throw new ShapeError(
        `TiTok: expected latents [batch, ${expected.slice(1).join(', ')}], got [${z.shape.join(', ')}].`,
      );
    }
    const embedded = this.decoder_embed.forward(transpose(reshape(z, [batch, tokenSize, -1]))); // [batch, K, width]
    tap?.('decoder_embed', embedded);
    const width = embedded.shape[2];
    const g = this.grid;

    const places = this.mask_token ? expand(this.mask_token, [batch, g * g, width]) : spread(embedded, g);
    const image = concat([repeat(this.class_embedding, batch), places], 1).add(this.positional_embedding);
    const positions = this.latent_token_positional_embedding;

    let x = this.ln_pre.forward(positions ? concat([image, embedded.add(positions)], 1) : image); // [batch, 1 + G² (+ K), width]
    tap?.('ln_pre', x);
    x = runBlocks(this.transformer, x, { start: 1, count: g * g }, tap);
    x = this.ln_post.forward(x); // [batch, G², width]
    tap?.('ln_post', x);
    const y = atPositions(this.ffn[0], x);
    const planes = (y: Tensor) => reshape(transpose(y), [batch, -1, g, g]);
    return this.ffn[2] ? planes(atPositions(this.ffn[2], tanh(y))) : this.conv_out!.forward(patchesToImage(planes(y)));
  }
}

/** Tokens of patches over a grid of g × g finer positions: [batch, K, width] → [batch, g², width]. */
function spread(x: Tensor, g: number): Tensor {
  const [batch, tokens, width] = x.shape;
  const side = Math.sqrt(tokens);
  if (side === g) return x;
  const planes = upsampleNearest(reshape(transpose(x), [batch, width, side, side]), g / side);
  return transpose(reshape(planes, [batch, width, g * g]));
}

/** A 1×1 convolution, applied to tokens as a linear layer: x [batch, positions, in] → [batch, positions, out]. */
const atPositions = ({ weight, bias }: Conv2d, x: Tensor): Tensor =>
  linear(x, reshape(weight, weight.shape.slice(0, 2)), bias);
