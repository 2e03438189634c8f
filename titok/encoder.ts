/** TiTok's encoder: patches and a few learned latent tokens go through a transformer; only the latents, in 2-D the patches, come out. */
import {
  concat,
  expand,
  expectRng,
  type Rng,
  reshape,
  type Tensor,
  transpose,
  unsqueeze,
  zeros,
} from '../core/index.ts';
import { Conv2d, LayerNorm, parameter, runBlocks, type Tap, TransformerBlock } from '../nn/index.ts';
import { gridOf, type TiTokConfig } from './config.ts';
import { expectImages } from './images.ts';

/**
 * From an image to latents.
 *
 *   1-D   [class | G² patches | K latents] → ln_pre → blocks → the last K → ln_post → 1×1 convolution → z
 *   2-D   [class | G² patches] → ln_pre → blocks → the patches, K = G² → ln_post → 1×1 convolution → z
 *
 * @see Yu et al. 2024, arXiv:2406.07550, section 3.2
 */
export class TiTokEncoder {
  readonly class_embedding: Tensor; // [1, width]
  readonly positional_embedding: Tensor; // [G² + 1, width]; the first is the class token's
  readonly latent_token_positional_embedding?: Tensor; // [K, width]; 1-D
  readonly patch_embed: Conv2d;
  readonly ln_pre: LayerNorm;
  readonly transformer: readonly TransformerBlock[];
  readonly ln_post: LayerNorm;
  readonly conv_out: Conv2d;
  readonly imageSize: number;
  readonly legacy: boolean;
  readonly pixels: TiTokConfig['pixels'];

  constructor(config: TiTokConfig, rng: Rng) {
    expectRng('TiTokEncoder', rng);
    const { width, layers, heads, patchSize } = config.encoder;
    const outputs = config.quantizeMode === 'vae' ? 2 * config.tokenSize : config.tokenSize; // mean and log-variance
    this.class_embedding = parameter(() => zeros([1, width]));
    this.positional_embedding = parameter(() => zeros([gridOf(config, 'encoder') ** 2 + 1, width]));
    if (config.variant !== '2d')
      this.latent_token_positional_embedding = parameter(() => zeros([config.latentTokens, width]));
    this.patch_embed = new Conv2d(3, width, patchSize, rng, { stride: patchSize });
    this.ln_pre = new LayerNorm(width);
    this.transformer = Array.from({ length: layers }, () => new TransformerBlock(width, heads, rng));
    this.ln_post = new LayerNorm(width);
    this.conv_out = new Conv2d(width, outputs, 1, rng);
    this.imageSize = config.imageSize;
    this.legacy = config.legacy;
    this.pixels = config.pixels;
  }

  /**
   * Latents of images, before quantization.
   *
   * @param images        [batch, 3, size, size] in 0..1
   * @param latentTokens  [K, width]; none in 2-D
   * @returns z [batch, C, 1, K] (2C channels in VAE mode)
   * @throws ShapeError for images of another shape
   */
  forward(images: Tensor, latentTokens: Tensor | undefined, tap?: Tap): Tensor {
    expectImages('TiTok', images, this.imageSize);
    const { pixels, latent_token_positional_embedding: positions } = this;
    const features = this.patch_embed.forward(pixels ? images.sub(pixels.mean).div(pixels.std) : images); // [batch, width, G, G]
    tap?.('patch_embed', features);
    const [batch, width, g] = features.shape;

    const patches = transpose(reshape(features, [batch, width, g * g])); // [batch, G², width]
    const image = concat([repeat(this.class_embedding, batch), patches], 1).add(this.positional_embedding);
    const latents = latentTokens && positions && latentTokens.add(positions);
    const count = latents ? latents.shape[0] : g * g;

    let x = this.ln_pre.forward(latents ? concat([image, repeat(latents, batch)], 1) : image); // [batch, 1 + G² (+ K), width]
    tap?.('ln_pre', x);
    x = runBlocks(this.transformer, x, { start: latents ? 1 + g * g : 1, count }, tap);
    x = this.ln_post.forward(x); // [batch, K, width]
    tap?.('ln_post', x);

    // legacy: reads the memory of [K, width] as [width, K] without transposing, so each code mixes all latents
    const columns = reshape(this.legacy ? x : transpose(x), [batch, width, count, 1]);
    return reshape(this.conv_out.forward(columns), [batch, -1, 1, count]);
  }
}

/** [n, width] → [batch, n, width] */
export const repeat = (rows: Tensor, batch: number): Tensor => expand(unsqueeze(rows, 0), [batch, ...rows.shape]);
