/** TiTok: an image as a short row of tokens, and back. */
import {
  isRecording,
  l2Normalize,
  noGrad,
  OptionError,
  Rng,
  randn,
  reshape,
  type Tensor,
  tidy,
  zeros,
} from '../core/index.ts';
import {
  loadStateDict,
  parameter,
  type StateDict,
  stateDict,
  type Tap,
  tapUnder,
  VectorQuantizer,
} from '../nn/index.ts';
import { checkConfig, type TiTokConfig } from './config.ts';
import { TiTokDecoder } from './decoder.ts';
import { TiTokEncoder } from './encoder.ts';
import { initializeTransformers } from './init.ts';
import { type Posterior, posteriorOf, samplePosterior } from './posterior.ts';
import { type PixelDecoder, softLatents } from './teacher.ts';
import { type AnyTeacher, createPixelDecoder } from './teachers.ts';

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
  readonly latent_tokens: Tensor; // [K, encoder width]
  readonly encoder: TiTokEncoder;
  readonly decoder: TiTokDecoder;
  readonly quantize?: VectorQuantizer; // not in VAE mode
  readonly pixel_quantize?: { readonly embedding: { readonly weight: Tensor } }; // the teacher's codebook; stage 2
  readonly pixel_decoder?: PixelDecoder; // stage 2

  constructor(config: TiTokConfig, rng: Rng) {
    checkConfig(config);
    this.config = config;
    this.latent_tokens = parameter(() => zeros([config.latentTokens, config.encoder.width]));
    this.encoder = new TiTokEncoder(config, rng);
    this.decoder = new TiTokDecoder(config, rng);
    initializeTransformers(stateDict(this), config, rng);
    const { codebookSize, tokenSize, l2Norm, commitmentCost, pixelDecoder } = config;
    if (config.quantizeMode === 'vq') {
      this.quantize = new VectorQuantizer(codebookSize, tokenSize, rng, { l2Norm, commitmentCost });
    }
    if (pixelDecoder) {
      const dim = pixelDecoder.kind === 'lean' ? pixelDecoder.dim : pixelDecoder.zChannels;
      this.pixel_quantize = { embedding: { weight: parameter(() => randn([pixelDecoder.codebookSize, dim], rng)) } };
      this.pixel_decoder = createPixelDecoder(pixelDecoder, rng);
    }
  }

  /** Encoder output [batch, C, 1, K] before quantization; 2C channels in VAE mode. */
  encodeLatents(images: Tensor, tap?: Tap): Tensor {
    return freeing(tap, () => this.encoder.forward(images, this.latent_tokens, tapUnder('enc.', tap)));
  }

  /** What the decoder sees when quantization is left out, as in a continuous warm-up: z, on the sphere if codes are. */
  continuous(z: Tensor): Tensor {
    return this.config.l2Norm ? l2Normalize(z, 1) : z;
  }

  /** @returns zQuantized [batch, C, 1, K], indices [batch, 1, K] and the quantizer's losses */
  quantizeLatents(z: Tensor): ReturnType<VectorQuantizer['forward']> {
    return this.#codebook('quantizeLatents').forward(z);
  }

  /** Latents and their codes: { z, zQuantized, indices, quantizerLoss, commitmentLoss, codebookLoss }. */
  encode(images: Tensor, tap?: Tap) {
    const z = this.encodeLatents(images, tap);
    return { z, ...this.quantizeLatents(z) };
  }

  /**
   * VAE mode: the distribution of the latents, and a draw from it.
   *
   * @param noise [batch, C, 1, K] from N(0, 1); without noise z is the mean
   */
  encodeContinuous(images: Tensor, noise?: Tensor, tap?: Tap): Posterior & { z: Tensor } {
    if (this.config.quantizeMode !== 'vae')
      throw new OptionError("encodeContinuous: expected quantizeMode 'vae', got 'vq'. Use encode.");
    const posterior = posteriorOf(this.encodeLatents(images, tap));
    return { ...posterior, z: noise ? samplePosterior(posterior, noise) : posterior.mean };
  }

  /**
   * @param z [batch, C, 1, K], quantized
   * @returns images [batch, 3, size, size], not clamped; or proxy logits [batch, proxyCodebookSize, G, G] when the head
   *   is 'proxy' and there is no pixel decoder
   */
  decode(z: Tensor, tap?: Tap): Tensor {
    const output = freeing(tap, () => this.decoder.forward(z, tapUnder('dec.', tap)));
    return this.pixel_decoder ? this.decodeProxyLogits(output, tap) : output;
  }

  /** Logits or images straight from the transformer, without the pixel decoder. */
  decodeLatents(z: Tensor, tap?: Tap): Tensor {
    return freeing(tap, () => this.decoder.forward(z, tapUnder('dec.', tap)));
  }

  /** Stage 2: softmax over proxy codes × the proxy codebook → convolutional decoder → images, not clamped. */
  decodeProxyLogits(logits: Tensor, tap?: Tap): Tensor {
    const { pixel_quantize, pixel_decoder } = this;
    if (!pixel_quantize || !pixel_decoder)
      throw new OptionError('decodeProxyLogits: expected a model with pixelDecoder, got none.');
    tap?.('proxy_logits', logits);
    return freeing(tap, () => {
      const latents = softLatents(logits, pixel_quantize.embedding.weight);
      tap?.('soft_codes', latents);
      return pixel_decoder.forward(latents);
    });
  }

  /** As `decode`, from ids [batch, K] or [batch, 1, K]. */
  decodeTokens(ids: Tensor, tap?: Tap): Tensor {
    return this.decode(this.lookup(ids), tap);
  }

  /** Codes of ids [batch, K] or [batch, 1, K] → [batch, C, 1, K], normalized if codes are. */
  lookup(ids: Tensor): Tensor {
    const [batch] = ids.shape as [number];
    const k = ids.size / batch;
    const { tokenSize, latentTokens } = this.config;
    if (k !== latentTokens) throw new OptionError(`decodeTokens: expected ${latentTokens} ids per image, got ${k}.`);
    const codes = this.#codebook('lookup').lookup(reshape(ids, [batch * k])); // [batch·K, C]
    return reshape(reshape(codes, [batch, k, tokenSize]).transpose(1, 2), [batch, tokenSize, 1, k]);
  }

  /** Encode, quantize, decode: the training pass of VQ mode. */
  forward(images: Tensor, tap?: Tap) {
    const encoded = this.encode(images, tap);
    return { ...encoded, output: this.decode(encoded.zQuantized, tap) };
  }

  #codebook(what: string): VectorQuantizer {
    if (!this.quantize)
      throw new OptionError(`${what}: expected quantizeMode 'vq', got 'vae'. Use encodeContinuous and decode.`);
    return this.quantize;
  }
}

/** In evaluation, frees what f made except its result. */
function freeing(tap: Tap | undefined, f: () => Tensor): Tensor {
  return isRecording() || tap ? f() : tidy(f);
}

/**
 * Stage 2's model: a copy of stage 1's, with the teacher's codebook and decoder behind it.
 *
 * @param sharpness  factor of the proxy logits. At 1, as published, the decoder starts from the expected code of each
 *                   patch, a blur of all codes that may be right; the larger, the more it starts from the likeliest one
 */
export function withPixelDecoder(model: TiTok, teacher: AnyTeacher, sharpness = 1): TiTok {
  const tuned = new TiTok({ ...model.config, pixelDecoder: teacher.config }, new Rng(0));
  loadStateDict(tuned, { ...stateDict(model), ...pixelState(stateDict(teacher)) });
  const { weight, bias } = tuned.decoder.ffn[2]!; // gives the logits
  for (const t of [weight, bias!]) noGrad(() => tidy(() => t.assign(t.mul(sharpness))));
  return tuned;
}

/** A teacher's state under the names that it has in a stage 2 TiTok. */
export function pixelState(teacher: StateDict): StateDict {
  const renamed = Object.entries(teacher).filter(([name]) => /^(quantize\.embedding|decoder)\./.test(name));
  return Object.fromEntries(renamed.map(([name, t]) => [`pixel_${name}`, t]));
}

/** Stage 2 trains the decoders and the proxy codebook; encoder, latent tokens and codes stay as they are. */
export const isTrainedInStage2 = (name: string): boolean => /^(decoder|pixel_quantize|pixel_decoder)\./.test(name);
