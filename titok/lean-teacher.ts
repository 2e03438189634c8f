/** The laptop's teacher: learns a color-true codebook of 4 × 4 pixel patches in a minute. */
import { expectOption, type Rng, silu, type Tensor, upsampleNearest } from '../core/index.ts';
import { Conv2d, GroupNorm, runInTurn, type Tap, tapUnder, VectorQuantizer } from '../nn/index.ts';
import { imageToPatches, patchesToImage } from './patches.ts';
import { principalComponents } from './pca.ts';
import { type PixelDecoder, quantizeGrid, type Teacher, type TeacherPass } from './teacher.ts';

export interface LeanTeacherConfig {
  readonly kind: 'lean';
  /** Widths of the stride-2 convolutions; one code covers 2^length pixels in each direction. */
  readonly stem: readonly number[];
  /** Residual blocks on each side. */
  readonly resBlocks: number;
  /** Numbers per code. */
  readonly dim: number;
  readonly codebookSize: number;
}

export const leanTeacher: LeanTeacherConfig = {
  kind: 'lean',
  stem: [24, 96], // the costly width only at a quarter of the side
  resBlocks: 2, // 20.9 dB in 60 CPU-seconds, where the MaskGIT-VQGAN shape reaches 17.3
  dim: 16, // principal components of a 4 × 4 patch; more carry little
  codebookSize: 512, // all in use after 750 steps
};

/**
 * Convolutional tokenizer whose blocks keep an identity path, beside a linear path from patch to code and back. Started
 * from the principal components of patches (`startFromPca`) the linear path gives 20 dB after twenty steps, and the
 * colors that group norm at small widths loses are never lost.
 *
 * The codebook is meant to be updated by moving averages, with the commitment loss alone; `quantizerLoss`, commitment
 * and codebook loss, is for training it by gradient.
 */
export class LeanTeacher implements Teacher {
  readonly config: LeanTeacherConfig;
  readonly encoder: LeanEncoder;
  readonly decoder: LeanDecoder;
  readonly quantize: VectorQuantizer;

  constructor(config: LeanTeacherConfig, rng: Rng) {
    this.config = config;
    this.encoder = new LeanEncoder(config, rng);
    this.decoder = new LeanDecoder(config, rng);
    this.quantize = new VectorQuantizer(config.codebookSize, config.dim, rng, { l2Norm: false, commitmentCost: 1 });
  }

  get codebook(): Tensor {
    return this.quantize.embedding.weight;
  }

  encode(images: Tensor): Tensor {
    return quantizeGrid(this.quantize, this.encoder.forward(images)).codes;
  }

  decodeLatents(z: Tensor, tap?: Tap): Tensor {
    return this.decoder.forward(z, tap);
  }

  forward(images: Tensor, tap?: Tap): TeacherPass {
    const latents = this.encoder.forward(images, tapUnder('encoder.', tap));
    const quantized = quantizeGrid(this.quantize, latents);
    const reconstruction = this.decoder.forward(quantized.zQuantized, tapUnder('decoder.', tap));
    const quantizerLoss = quantized.commitmentLoss.add(quantized.codebookLoss);
    return { latents, reconstruction, ...quantized, quantizerLoss };
  }
}

/** Images [batch, 3, size, size] → latents [batch, dim, g, g]. */
export class LeanEncoder {
  readonly stem: readonly Conv2d[];
  readonly blocks: readonly IdentityBlock[];
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;
  readonly patch_path: Conv2d;

  constructor({ stem, resBlocks, dim }: LeanTeacherConfig, rng: Rng) {
    const width = stem.at(-1)!;
    const patch = 2 ** stem.length;
    this.stem = stem.map((w, i) => new Conv2d(stem[i - 1] ?? 3, w, 3, rng, { stride: 2, padding: 1 }));
    this.blocks = Array.from({ length: resBlocks }, () => new IdentityBlock(width, rng));
    this.norm_out = norm(width);
    this.conv_out = new Conv2d(width, dim, 1, rng);
    this.patch_path = new Conv2d(3, dim, patch, rng, { stride: patch });
  }

  forward(images: Tensor, tap?: Tap): Tensor {
    let x = images;
    for (const conv of this.stem) x = silu(conv.forward(x));
    x = runInTurn(this.blocks, x, tap, (i) => `blocks.${i}`);
    return this.conv_out.forward(silu(this.norm_out.forward(x))).add(this.patch_path.forward(images));
  }
}

/** Latents [batch, dim, g, g] → images [batch, 3, size, size]. */
export class LeanDecoder implements PixelDecoder {
  readonly conv_in: Conv2d;
  readonly blocks: readonly IdentityBlock[];
  readonly norm_out: GroupNorm;
  readonly up: readonly Conv2d[];
  readonly patch_path: Conv2d;

  constructor({ stem, resBlocks, dim }: LeanTeacherConfig, rng: Rng) {
    const widths = [...stem.toReversed(), 3]; // 96, 24, 3
    this.conv_in = new Conv2d(dim, widths[0], 3, rng, { padding: 1 });
    this.blocks = Array.from({ length: resBlocks }, () => new IdentityBlock(widths[0], rng));
    this.norm_out = norm(widths[0]);
    this.up = stem.map((_, i) => new Conv2d(widths[i], widths[i + 1], 3, rng, { padding: 1 }));
    this.patch_path = new Conv2d(dim, 3 * 4 ** stem.length, 1, rng);
  }

  forward(z: Tensor, tap?: Tap): Tensor {
    let x = runInTurn(this.blocks, this.conv_in.forward(z), tap, (i) => `blocks.${i}`);
    x = this.norm_out.forward(x);
    for (const conv of this.up) x = conv.forward(upsampleNearest(silu(x), 2));
    return x.add(patchesToImage(this.patch_path.forward(z)));
  }
}

/** y = x + conv2(silu(norm2(conv1(silu(norm1(x)))))) */
class IdentityBlock {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;

  constructor(width: number, rng: Rng) {
    this.norm1 = norm(width);
    this.conv1 = new Conv2d(width, width, 3, rng, { padding: 1, bias: false });
    this.norm2 = norm(width);
    this.conv2 = new Conv2d(width, width, 3, rng, { padding: 1, bias: false });
  }

  forward(x: Tensor): Tensor {
    return x.add(this.conv2.forward(silu(this.norm2.forward(this.conv1.forward(silu(this.norm1.forward(x)))))));
  }
}

function norm(width: number): GroupNorm {
  expectOption(width % 8 === 0, 'lean teacher stem', 'a last width that is a multiple of 8 (group norm)', width);
  return new GroupNorm(8, width, 1e-6);
}

/**
 * Starts the linear path as the projection on the principal components of a sample's patches, and the convolutions as
 * nothing (their last layers are zero): before training, reconstruction is the best linear one of `dim` numbers.
 *
 *   z = P (patch − mean);   patch = Pᵀ z + mean
 *
 * @param images [n, 3, size, size]; a few hundred are enough
 */
export async function startFromPca(teacher: LeanTeacher, images: Tensor): Promise<void> {
  const { stem, dim } = teacher.config;
  const f = 2 ** stem.length;
  const size = 3 * f * f;
  expectOption(dim <= size, 'lean teacher dim', `at most the ${size} numbers of a patch`, dim);
  const patches = imageToPatches(images, f);
  const { mean, components } = principalComponents(await patches.data(), size, dim);
  patches.dispose();

  const { encoder, decoder } = teacher;
  const project = new Float32Array(dim * size); // [dim, color, y, x]
  const restore = new Float32Array(size * dim); // [(y, x, color), dim]
  const offset = new Float32Array(dim);
  for (const [d, component] of components.entries()) {
    for (const [i, weight] of component.entries()) {
      const [pixel, color] = [Math.floor(i / 3), i % 3];
      project[d * size + color * f * f + pixel] = weight;
      restore[i * dim + d] = weight;
      offset[d] -= weight * mean[i];
    }
  }
  encoder.patch_path.weight.assign(project);
  encoder.patch_path.bias!.assign(offset);
  decoder.patch_path.weight.assign(restore);
  decoder.patch_path.bias!.assign(mean);
  for (const conv of [encoder.conv_out, decoder.up.at(-1)!]) {
    conv.weight.assign(new Float32Array(conv.weight.size));
    conv.bias!.assign(new Float32Array(conv.bias!.size));
  }
}
