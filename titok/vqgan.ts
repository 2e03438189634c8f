/**
 * MaskGIT-VQGAN, the published teacher: one code for 16 × 16 pixels. Field names and quirks are the checkpoint's.
 *
 * @see Chang et al. 2022, arXiv:2202.04200
 */
import { avgPool2d, expectOption, type Rng, silu, type Tensor, upsampleNearest } from '../core/index.ts';
import { block, Conv2d, GroupNorm, type Layer, runInTurn, type Tap } from '../nn/index.ts';

/** Sizes of a MaskGIT-VQGAN. */
export interface VqganConfig {
  readonly kind: 'vqgan';
  /** Channels after the first convolution; a multiple of 32. */
  readonly hiddenChannels: number;
  /** Width of each level in units of hiddenChannels, finest first; between levels the side halves. */
  readonly channelMult: readonly number[];
  /** Residual blocks per level, and in the middle. */
  readonly resBlocks: number;
  /** Numbers per code. */
  readonly zChannels: number;
  readonly codebookSize: number;
}

/** The released model, with 54.5 million parameters (`maskgit-vqgan-imagenet-f16-256`). */
export const publishedVqgan: VqganConfig = {
  kind: 'vqgan',
  hiddenChannels: 128,
  channelMult: [1, 1, 2, 2, 4],
  resBlocks: 2,
  zChannels: 256,
  codebookSize: 1024,
};

/** Images [batch, 3, size, size] → latents [batch, zChannels, g, g]. */
export class VqganEncoder {
  readonly conv_in: Conv2d;
  readonly down: readonly DownLevel[];
  readonly mid: readonly ResidualBlock[];
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor(config: VqganConfig, rng: Rng) {
    const { first, widths, last } = levels(config);
    this.conv_in = new Conv2d(3, first, 3, rng, { padding: 1, bias: false });
    this.down = widths.map(
      (width, l) => new DownLevel(l === 0 ? first : widths[l - 1], width, l < widths.length - 1, config, rng),
    );
    this.mid = blocks(config.resBlocks, last, last, rng);
    this.norm_out = norm(last);
    this.conv_out = new Conv2d(last, config.zChannels, 1, rng);
  }

  /** Images [batch, 3, size, size] in 0..1 → latents before quantization. */
  forward(images: Tensor, tap?: Tap): Tensor {
    let x = this.conv_in.forward(images);
    tap?.('conv_in', x);
    x = runInTurn(this.down, x, tap, (i) => `down.${i}`);
    x = runInTurn(this.mid, x, tap, (i) => `mid.${i}`);
    return runInTurn([this.norm_out, silu, this.conv_out], x);
  }
}

/** Latents [batch, zChannels, g, g] → images [batch, 3, size, size]; also TiTok's `pixel_decoder`. */
export class VqganDecoder {
  readonly conv_in: Conv2d;
  readonly mid: readonly ResidualBlock[];
  readonly up: readonly UpLevel[];
  readonly norm_out: GroupNorm;
  readonly conv_out: Conv2d;

  constructor(config: VqganConfig, rng: Rng) {
    const { widths, last } = levels(config);
    this.conv_in = new Conv2d(config.zChannels, last, 3, rng, { padding: 1 });
    this.mid = blocks(config.resBlocks, last, last, rng);
    this.up = widths.map((width, l) => new UpLevel(widths[l + 1] ?? last, width, l > 0, config, rng));
    this.norm_out = norm(widths[0]);
    this.conv_out = new Conv2d(widths[0], 3, 3, rng, { padding: 1 });
  }

  /** Weight of the last convolution. */
  get lastLayer(): Tensor {
    return this.conv_out.weight;
  }

  /** Latents → images, not clamped. */
  forward(z: Tensor, tap?: Tap): Tensor {
    let x = this.conv_in.forward(z);
    tap?.('conv_in', x);
    x = runInTurn(this.mid, x, tap, (i) => `mid.${i}`);
    const top = this.up.length - 1;
    x = runInTurn(this.up.toReversed(), x, tap, (i) => `up.${top - i}`); // stored finest first, run coarsest first
    return runInTurn([this.norm_out, silu, this.conv_out], x);
  }
}

/** Residual blocks, then 2 × 2 average pooling. */
class DownLevel {
  readonly block: readonly ResidualBlock[];
  readonly pool: boolean;

  constructor(inChannels: number, outChannels: number, pool: boolean, config: VqganConfig, rng: Rng) {
    this.block = blocks(config.resBlocks, inChannels, outChannels, rng);
    this.pool = pool;
  }

  get inTurn(): readonly Layer[] {
    return [...this.block, ...(this.pool ? [(x: Tensor) => avgPool2d(x, 2)] : [])];
  }

  forward(x: Tensor): Tensor {
    return runInTurn(this.inTurn, x);
  }
}

/** Residual blocks, then nearest-neighbor doubling and a convolution. */
class UpLevel {
  readonly block: readonly ResidualBlock[];
  readonly upsample_conv?: Conv2d;

  constructor(inChannels: number, outChannels: number, upsample: boolean, config: VqganConfig, rng: Rng) {
    this.block = blocks(config.resBlocks, inChannels, outChannels, rng);
    if (upsample) this.upsample_conv = new Conv2d(outChannels, outChannels, 3, rng, { padding: 1 });
  }

  get inTurn(): readonly Layer[] {
    return [...this.block, ...(this.upsample_conv ? [(x: Tensor) => upsampleNearest(x, 2), this.upsample_conv] : [])];
  }

  forward(x: Tensor): Tensor {
    return runInTurn(this.inTurn, x);
  }
}

/**
 *   h = conv2(silu(norm2(conv1(silu(norm1(x))))));   y = x + h
 *
 * Where the width changes, y = h + shortcut(h): the shortcut acts on the branch, and there is no identity path. The
 * published weights were trained like this and need it.
 */
class ResidualBlock {
  readonly norm1: GroupNorm;
  readonly conv1: Conv2d;
  readonly norm2: GroupNorm;
  readonly conv2: Conv2d;
  readonly nin_shortcut?: Conv2d;

  constructor(inChannels: number, outChannels: number, rng: Rng) {
    this.norm1 = norm(inChannels);
    this.conv1 = new Conv2d(inChannels, outChannels, 3, rng, { padding: 1, bias: false });
    this.norm2 = norm(outChannels);
    this.conv2 = new Conv2d(outChannels, outChannels, 3, rng, { padding: 1, bias: false });
    if (inChannels !== outChannels) this.nin_shortcut = new Conv2d(outChannels, outChannels, 1, rng, { bias: false });
  }

  /** Without an identity path, the input is needed no longer after the first layer. */
  get inTurn(): readonly Layer[] | undefined {
    const shortcut = this.nin_shortcut;
    return shortcut && [...this.#branch, (h: Tensor) => h.add(shortcut.forward(h))];
  }

  get #branch(): readonly Layer[] {
    return [this.norm1, silu, this.conv1, this.norm2, silu, this.conv2];
  }

  forward(x: Tensor): Tensor {
    return block(() => (this.inTurn ? runInTurn(this.inTurn, x) : x.add(runInTurn(this.#branch, x))));
  }
}

const norm = (channels: number): GroupNorm => new GroupNorm(normGroups, channels, 1e-6);
const normGroups = 32;

const blocks = (count: number, inChannels: number, outChannels: number, rng: Rng): ResidualBlock[] =>
  Array.from({ length: count }, (_, i) => new ResidualBlock(i === 0 ? inChannels : outChannels, outChannels, rng));

/** Channels of the first convolution, of each level, and of the coarsest level. */
function levels({ hiddenChannels: first, channelMult }: VqganConfig) {
  const widths = channelMult.map((m) => m * first);
  for (const width of [first, ...widths]) {
    expectOption(width % normGroups === 0, 'vqgan', `widths that are multiples of ${normGroups} (group norm)`, width);
  }
  return { first, widths, last: widths.at(-1)! };
}
