/** Teachers: 2-D tokenizers. Stage 1 learns to predict their codes, and stage 2 takes over their decoder. */
import {
  argmax,
  embedding,
  expectRng,
  matmul,
  type Rng,
  reshape,
  ShapeError,
  softmax,
  type Tensor,
  transpose,
} from '../core/index.ts';
import { type Quantized, type Tap, tapUnder, VectorQuantizer } from '../nn/index.ts';
import { checkTeacherConfig, latentDim, patchSizeOf, type TeacherConfig } from './config.ts';
import { expectPatches } from './images.ts';
import { LeanDecoder, LeanEncoder } from './lean-teacher.ts';
import { VqganDecoder, VqganEncoder } from './vqgan.ts';

/** Encoder output and what the quantizer makes of it. */
export interface Encoded extends Omit<Quantized, 'loss'> {
  /** Latents before quantization. */
  readonly z: Tensor;
  /** What the quantizer adds to the loss of a training. */
  readonly quantizerLoss: Tensor;
}

/** From latents on a grid to pixels. */
export interface PixelDecoder {
  /** Weight of the layer that gives the pixels. */
  readonly lastLayer: Tensor;
  /** z [batch, dim, g, g] → images [batch, 3, size, size], not clamped */
  forward(z: Tensor, tap?: Tap): Tensor;
}

/** The decoder of a teacher, with random weights. @throws OptionError for impossible sizes */
export function createPixelDecoder(config: TeacherConfig, rng: Rng): LeanDecoder | VqganDecoder {
  checkTeacherConfig(config);
  return config.kind === 'lean' ? new LeanDecoder(config, rng) : new VqganDecoder(config, rng);
}

/**
 * A convolutional tokenizer: one code for each square of pixels. The lean one of the laptop or MaskGIT-VQGAN, with the
 * published names.
 *
 *   const { indices } = teacher.encode(images);      // images in 0..1 → codes [batch, g·g]
 *   const pictures = teacher.decodeTokens(indices);  // [batch, 3, size, size]
 *
 * @see Chang et al. 2022, arXiv:2202.04200, for MaskGIT-VQGAN
 */
export class Teacher {
  readonly config: TeacherConfig;
  readonly encoder: LeanEncoder | VqganEncoder;
  readonly decoder: LeanDecoder | VqganDecoder;
  readonly quantize: VectorQuantizer;

  /** @throws OptionError for impossible sizes */
  constructor(config: TeacherConfig, rng: Rng) {
    expectRng('Teacher', rng);
    checkTeacherConfig(config);
    this.config = config;
    this.encoder = config.kind === 'lean' ? new LeanEncoder(config, rng) : new VqganEncoder(config, rng);
    this.decoder = createPixelDecoder(config, rng);
    this.quantize = new VectorQuantizer(config.codebookSize, latentDim(config), rng, {
      l2Norm: false,
      commitmentCost: 1,
    });
  }

  /** [codebookSize, dim] */
  get codebook(): Tensor {
    return this.quantize.embedding.weight;
  }

  /**
   * Latents and their nearest codes.
   *
   *   lean    quantizerLoss = mean((sg[q] − z)²) + mean((q − sg[z])²)
   *   vqgan   quantizerLoss = mean((sg[q] − z)²) + 0.25 mean((q − sg[z])²): here β weighs the codebook's half
   *
   * @param images [batch, 3, size, size] in 0..1
   * @returns z and zQuantized [batch, dim, g, g], indices [batch, g·g] row by row, and the losses
   * @throws ShapeError unless images are square and a whole number of codes wide
   */
  encode(images: Tensor, tap?: Tap): Encoded {
    expectPatches('Teacher', images, patchSizeOf(this.config));
    return this.quantizeLatents(this.encoder.forward(images, tapUnder('encoder.', tap)));
  }

  /** The codes nearest to latents z [batch, dim, g, g]: what `encode` returns for images with these latents. */
  quantizeLatents(z: Tensor): Encoded {
    const [batch, dim] = z.shape;
    const { loss, ...quantized } = this.quantize.encode(reshape(z, [batch, dim, 1, -1]));
    const { commitmentLoss, codebookLoss } = quantized;
    const quantizerLoss = this.config.kind === 'vqgan' ? commitmentLoss.add(codebookLoss.mul(0.25)) : loss;
    return {
      ...quantized,
      quantizerLoss,
      z,
      zQuantized: reshape(quantized.zQuantized, z.shape),
      indices: reshape(quantized.indices, [batch, -1]),
    };
  }

  /** z [batch, dim, g, g] → images [batch, 3, size, size], not clamped. */
  decode(z: Tensor, tap?: Tap): Tensor {
    return this.decoder.forward(z, tapUnder('decoder.', tap));
  }

  /** As `decode`, from codes [batch, g·g] or [batch, g, g]. @throws ShapeError when they are no square */
  decodeTokens(codes: Tensor, tap?: Tap): Tensor {
    const [batch] = codes.shape;
    const count = codes.size / batch;
    const g = Math.round(Math.sqrt(count));
    const rows = codes.rank === 3 && codes.shape[1] !== 1 ? codes.shape[1] : g;
    if (!(count > 0) || codes.rank < 2 || g * g !== count || rows !== g) {
      throw new ShapeError(
        `Teacher.decodeTokens: expected codes [batch, g·g] or [batch, g, g], got [${codes.shape.join(', ')}].`,
      );
    }
    const latents = embedding(this.codebook, reshape(codes, [batch, count])); // [batch, g·g, dim]
    return this.decode(reshape(transpose(latents), [batch, this.codebook.shape[1], g, g]), tap);
  }

  /** Encode, quantize, decode: the training pass. Returns what `encode` does, and the reconstruction. */
  forward(images: Tensor, tap?: Tap): Encoded & { readonly reconstruction: Tensor } {
    const encoded = this.encode(images, tap);
    return { ...encoded, reconstruction: this.decode(encoded.zQuantized, tap) };
  }
}

/**
 * The expected latent at each position:  s_d = Σ_v softmax(logits)_v E_vd
 *
 * @param logits    [batch, codebookSize, g, g]
 * @param codebook  [codebookSize, dim]
 * @returns [batch, dim, g, g]
 */
export function softLatents(logits: Tensor, codebook: Tensor): Tensor {
  const [batch, codes, h, w] = logits.shape;
  const p = softmax(reshape(logits, [batch, codes, h * w]), 1);
  return reshape(matmul(codebook, p, { transposeA: true }), [batch, codebook.shape[1], h, w]);
}

/** Stage 1's images, from the likeliest code at each position of logits [batch, codebookSize, g, g]. */
export const decodeArgmax = (teacher: Teacher, logits: Tensor): Tensor => teacher.decodeTokens(argmax(logits, 1));

/**
 * Stage 1's images, from the expected latent at each position of logits [batch, codebookSize, g, g]. Blurrier than
 * `decodeArgmax`, and nearer in mean squared error.
 */
export const decodeSoft = (teacher: Teacher, logits: Tensor): Tensor =>
  teacher.decode(softLatents(logits, teacher.codebook));
