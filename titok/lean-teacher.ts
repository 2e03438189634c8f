/**
 * The laptop's teacher: learns a color-true codebook of 4 × 4 pixel patches in a minute.
 *
 * Encoder and decoder have blocks that keep an identity path, and beside them a linear path from patch to code and
 * back. Started from principal components (`startFromPca`), the linear path alone gives 20 dB after twenty steps, and
 * keeps the colors that group norm loses at small widths.
 *
 * Its codebook is best updated by moving averages, with the commitment loss alone.
 */
import { expectOption, type Rng, silu, type Tensor, upsampleNearest } from '../core/index.ts';
import { block, Conv2d, GroupNorm, runInTurn, type Tap } from '../nn/index.ts';
import { patchesToImage } from './patches.ts';

/** Sizes of a lean teacher. */
export interface LeanTeacherConfig {
  readonly kind: 'lean';
  /** Widths of the stride-2 convolutions. One code covers 2^length × 2^length pixels. */
  readonly stem: readonly number[];
  /** Residual blocks on each side. */
  readonly resBlocks: number;
  /** Numbers per code. */
  readonly dim: number;
  readonly codebookSize: number;
}

/** The lean teacher for 32 pixels. */
export const leanTeacher: LeanTeacherConfig = {
  kind: 'lean',
  stem: [24, 96], // the costly width only at a quarter of the side
  resBlocks: 2, // 20.9 dB in 60 CPU-seconds, where the MaskGIT-VQGAN shape reaches 17.3
  dim: 16, // principal components of a 4 × 4 patch; more carry little
  codebookSize: 512, // all in use after 750 steps
};

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

  /** Images [batch, 3, size, size] in 0..1 → latents before quantization. */
  forward(images: Tensor, tap?: Tap): Tensor {
    let x = images;
    for (const conv of this.stem) x = silu(conv.forward(x));
    x = runInTurn(this.blocks, x, tap, (i) => `blocks.${i}`);
    return this.conv_out.forward(silu(this.norm_out.forward(x))).add(this.patch_path.forward(images));
  }
}

/** Latents [batch, dim, g, g] → images [batch, 3, size, size]. */
export class LeanDecoder {
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

  /** Weight of the last convolution. */
  get lastLayer(): Tensor {
    return this.up.at(-1)!.weight;
  }

  /** Latents → images, not clamped. */
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
    return block(() =>
      x.add(this.conv2.forward(silu(this.norm2.forward(this.conv1.forward(silu(this.norm1.forward(x))))))),
    );
  }
}

function norm(width: number): GroupNorm {
  expectOption(width % 8 === 0, 'lean teacher stem', 'a last width that is a multiple of 8 (group norm)', width);
  return new GroupNorm(8, width, 1e-6);
}
