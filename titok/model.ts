/** TiTok: an image as a short row of tokens, and back. */
import {
  expectRng,
  expectWhole,
  isRecording,
  noGrad,
  OptionError,
  Rng,
  randn,
  reshape,
  ShapeError,
  type Tensor,
  tidy,
  zeros,
} from '../core/index.ts';
import {
  createQuantizer,
  loadStateDict,
  parameter,
  type Quantizer,
  type StateDict,
  stateDict,
  type Tap,
  tapUnder,
} from '../nn/index.ts';
import { checkConfig, latentDim, quantizerOf, type TiTokConfig } from './config.ts';
import { TiTokDecoder } from './decoder.ts';
import { TiTokEncoder } from './encoder.ts';
import { initializeTiTok } from './init.ts';
import { type Posterior, posteriorOf, samplePosterior } from './posterior.ts';
import { expectLength, keepFirst, padTail } from './tail.ts';
import { createPixelDecoder, type Encoded, type PixelDecoder, softLatents, type Teacher } from './teacher.ts';

/**
 * The tokenizer in all its forms. Field names are the published checkpoint's.
 *
 *   const { indices } = model.encode(images);      // images in 0..1 → token ids [batch, 1, K]
 *   const output = model.decodeTokens(indices);    // pixels, or logits over a teacher's codes before stage 2
 *
 * @see Yu et al. 2024, An Image is Worth 32 Tokens, arXiv:2406.07550
 */
export class TiTok {
  readonly config: TiTokConfig;
  readonly latent_tokens?: Tensor; // [K, encoder width]; 1-D
  readonly encoder: TiTokEncoder;
  readonly decoder: TiTokDecoder;
  readonly quantize?: Quantizer; // not in VAE mode
  readonly pixel_quantize?: { readonly embedding: { readonly weight: Tensor } }; // the teacher's codebook; stage 2
  readonly pixel_decoder?: PixelDecoder; // stage 2

  constructor(config: TiTokConfig, rng: Rng) {
    expectRng('TiTok', rng);
    checkConfig(config);
    this.config = config;
    if (config.variant !== '2d')
      this.latent_tokens = parameter(() => zeros([config.latentTokens, config.encoder.width]));
    this.encoder = new TiTokEncoder(config, rng);
    this.decoder = new TiTokDecoder(config, rng);
    initializeTiTok(stateDict(this), config, rng);
    const { pixelDecoder } = config;
    if (config.quantizeMode === 'vq') this.quantize = createQuantizer(quantizerOf(config), rng);
    if (pixelDecoder) {
      const shape = [pixelDecoder.codebookSize, latentDim(pixelDecoder)];
      this.pixel_quantize = { embedding: { weight: parameter(() => randn(shape, rng)) } };
      this.pixel_decoder = createPixelDecoder(pixelDecoder, rng);
    }
  }

  /** The encoder's output z [batch, C, 1, K], before quantization; 2C channels in VAE mode. */
  encodeLatents(images: Tensor, tap?: Tap): Tensor {
    return freeing(tap, () => this.encoder.forward(images, this.latent_tokens, tapUnder('enc.', tap)));
  }

  /** What the decoder sees while a training does not quantize yet: z in the range of the codes, such as of length 1. */
  normalizeLatents(z: Tensor): Tensor {
    return this.quantize ? this.quantize.relax(z) : z;
  }

  /**
   * The nearest codes of z [batch, C, 1, K].
   *
   * @returns zQuantized [batch, C, 1, K], indices [batch, 1, K] and the quantizer's losses
   * @throws OptionError in VAE mode
   */
  quantizeLatents(z: Tensor): Omit<Encoded, 'z'> {
    const { loss: quantizerLoss, ...quantized } = this.#codebook('quantizeLatents').encode(z);
    return { ...quantized, quantizerLoss };
  }

  /**
   * Latents and their nearest codes.
   *
   * @param images [batch, 3, size, size] in 0..1
   * @returns z and zQuantized [batch, C, 1, K], indices [batch, 1, K] and the quantizer's losses
   * @throws OptionError in VAE mode
   */
  encode(images: Tensor, tap?: Tap): Encoded {
    const z = this.encodeLatents(images, tap);
    return { z, ...this.quantizeLatents(z) };
  }

  /**
   * VAE mode: the distribution of the latents, and a draw from it.
   *
   * @param images [batch, 3, size, size] in 0..1
   * @param noise  [batch, C, 1, K] from N(0, 1); without noise z is the mean
   * @throws OptionError in VQ mode
   */
  encodeContinuous(images: Tensor, noise?: Tensor, tap?: Tap): Posterior & { readonly z: Tensor } {
    if (this.config.quantizeMode !== 'vae')
      throw new OptionError("encodeContinuous: expected quantizeMode 'vae', got 'vq'. Use encode.");
    const posterior = posteriorOf(this.encodeLatents(images, tap));
    return { ...posterior, z: noise ? samplePosterior(posterior, noise) : posterior.mean };
  }

  /**
   * From latents to images. In stage 2 the pixel decoder turns the expected code at each position into pixels:
   *
   *   proxy logits → softmax · teacher's codebook → convolutional decoder
   *
   * @param z [batch, C, 1, K], quantized
   * @returns images [batch, 3, size, size], not clamped; with head 'proxy' and no pixel decoder (before stage 2), logits
   *   over the teacher's codes [batch, proxyCodebookSize, G, G]
   */
  decode(z: Tensor, tap?: Tap): Tensor {
    const output = freeing(tap, () => this.decoder.forward(z, tapUnder('dec.', tap)));
    const { pixel_quantize, pixel_decoder } = this;
    if (!pixel_quantize || !pixel_decoder) return output;
    tap?.('proxy_logits', output);
    return freeing(tap, () => {
      const latents = softLatents(output, pixel_quantize.embedding.weight);
      tap?.('soft_codes', latents);
      return pixel_decoder.forward(latents);
    });
  }

  /** Weight of the last layer that `decode` goes through. */
  get lastLayer(): Tensor {
    return (this.pixel_decoder ?? this.decoder).lastLayer;
  }

  /**
   * As `decode`, from token ids [batch, K] or [batch, 1, K]; fewer than K of a model of variable length.
   *
   * @throws OptionError for another number of ids per image, or in VAE mode; ShapeError for ids of another shape
   */
  decodeTokens(ids: Tensor, tap?: Tap): Tensor {
    const [batch] = ids.shape;
    const k = ids.shape.at(-1)!;
    if (!(batch > 0) || !(ids.rank === 2 || (ids.rank === 3 && ids.shape[1] === 1))) {
      throw new ShapeError(
        `decodeTokens: expected ids [batch, K] or [batch, 1, K], got [${ids.shape.join(', ')}]. One image's are [1, K].`,
      );
    }
    const { tokenSize, latentTokens } = this.config;
    expectLength('decodeTokens', k, this.config);
    const codes = this.#codebook('decodeTokens').lookup(reshape(ids, [batch * k])); // [batch·K, C]
    const z = reshape(reshape(codes, [batch, k, tokenSize]).transpose(1, 2), [batch, tokenSize, 1, k]);
    return this.decode(padTail(z, latentTokens), tap);
  }

  /** Encode, quantize, decode: the training pass of VQ mode. Returns what `encode` does, and `decode`'s output. */
  forward(images: Tensor, tap?: Tap): Encoded & { readonly output: Tensor } {
    const encoded = this.encode(images, tap);
    return { ...encoded, output: this.decode(encoded.zQuantized, tap) };
  }

  #codebook(what: string): Quantizer {
    if (!this.quantize)
      throw new OptionError(`${what}: expected quantizeMode 'vq', got 'vae'. Use encodeContinuous and decode.`);
    return this.quantize;
  }
}

/**
 * Images through their first k tokens and back. In VAE mode a token is the mean of its distribution.
 *
 * @param k  1 to K
 * @returns what the model decodes, and all K ids [batch, 1, K] where there are codes
 */
export function throughTokens(model: TiTok, images: Tensor, k: number): { output: Tensor; indices?: Tensor } {
  const { quantizeMode, latentTokens } = model.config;
  expectWhole('throughTokens k', k, 1, latentTokens);
  const kept = new Int32Array(images.shape[0]).fill(k);
  const decode = (z: Tensor) => model.decode(k < latentTokens ? keepFirst(z, kept) : z);
  if (quantizeMode === 'vae') return { output: decode(model.encodeContinuous(images).z) };
  const { zQuantized, indices } = model.encode(images);
  return { output: decode(zQuantized), indices };
}

/** Runs f. While no gradients are recorded and no tap watches, frees all that f made but its result. */
function freeing(tap: Tap | undefined, f: () => Tensor): Tensor {
  return isRecording() || tap ? f() : tidy(f);
}

/**
 * Stage 2's model: a copy of stage 1's, with the teacher's codebook and decoder behind it.
 *
 * @param sharpness  multiplies the proxy logits. At 1, as published, the pixel decoder starts from the expected code of
 *                   each patch, a blur of all codes that may be right; a larger value favors the likeliest code
 * @throws OptionError when the teacher's grid or codebook does not fit the model
 */
export function withPixelDecoder(model: TiTok, teacher: Teacher, sharpness = 1): TiTok {
  const tuned = new TiTok({ ...model.config, pixelDecoder: teacher.config }, new Rng(0));
  loadStateDict(tuned, { ...stateDict(model), ...pixelState(stateDict(teacher)) });
  const { weight, bias } = tuned.decoder.ffn[2]!; // gives the logits
  for (const t of [weight, bias!]) noGrad(() => tidy(() => t.assign(t.mul(sharpness))));
  return tuned;
}

/**
 * A copy whose first layer centers the pixels: (x − mean) / std of `config.pixels` becomes part of `patch_embed`, as the
 * official code needs it, which reads pixels as they are. Its latents differ by rounding only.
 */
export function withPixelsFolded(model: TiTok): TiTok {
  const { pixels, ...config } = model.config;
  const folded = new TiTok(config, new Rng(0));
  loadStateDict(folded, stateDict(model));
  if (!pixels) return folded;
  const { weight, bias } = folded.encoder.patch_embed;
  noGrad(() =>
    tidy(() => {
      const scaled = weight.div(pixels.std); // [width, 3, patch, patch]
      bias!.assign(bias!.sub(scaled.sum([1, 2, 3]).mul(pixels.mean)));
      weight.assign(scaled);
    }),
  );
  return folded;
}

/** A teacher's codebook and decoder under the names that they have in a stage 2 TiTok. */
function pixelState(teacher: StateDict): StateDict {
  const renamed = Object.entries(teacher).filter(([name]) => /^(quantize\.embedding|decoder)\./.test(name));
  return Object.fromEntries(renamed.map(([name, t]) => [`pixel_${name}`, t]));
}

/** Whether stage 2 trains a parameter: those of the decoders and the proxy codebook; all others are frozen. */
export const isTrainedInStage2 = (name: string): boolean => /^(decoder|pixel_quantize|pixel_decoder)\./.test(name);
