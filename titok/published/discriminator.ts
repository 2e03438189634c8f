/** The discriminator of the published stage 2, under its published names. */
import {
  adaptiveMaxPool2d,
  conv2d,
  expand,
  expectRng,
  leakyRelu,
  type Rng,
  samePadding,
  type Tensor,
  tensor,
} from '../../core/index.ts';
import { Conv2d, GroupNorm, parameter, type Tap } from '../../nn/index.ts';
import type { Discriminator } from '../discriminator.ts';

/** Sizes of a patch discriminator. */
export interface PatchDiscriminatorConfig {
  /** Channels after the first convolution; a multiple of 32. */
  readonly hiddenChannels: number;
  /** Blocks that halve the side; the width doubles from the second on. */
  readonly stages: number;
}
/** The discriminator of the published stage 2. */
export const publishedDiscriminator: PatchDiscriminatorConfig = { hiddenChannels: 128, stages: 3 };

/** 5×5 convolution, then stages of convolution and blurred halving. Gives 16 × 16 logits whatever the image size. */
export class PatchDiscriminator implements Discriminator {
  readonly block_in: { readonly 0: Conv2d };
  readonly blocks: readonly Stage[];
  readonly to_logits: { readonly 0: Conv2d; readonly 2: Conv2d };

  constructor({ hiddenChannels, stages }: PatchDiscriminatorConfig, rng: Rng) {
    expectRng('PatchDiscriminator', rng);
    const widths = [hiddenChannels, ...Array.from({ length: stages }, (_, s) => hiddenChannels * 2 ** s)];
    const last = widths.at(-1)!;
    this.block_in = { 0: new Conv2d(3, hiddenChannels, 5, rng, { padding: 2 }) };
    this.blocks = Array.from({ length: stages }, (_, s) => stage(widths[s], widths[s + 1], rng));
    this.to_logits = { 0: new Conv2d(last, last, 1, rng), 2: new Conv2d(last, 1, 5, rng, { padding: 2 }) };
  }

  forward(images: Tensor, tap?: Tap): Tensor {
    let x = leakyRelu(this.block_in[0].forward(images), 0.1);
    tap?.('block_in', x);
    for (const [i, { 0: conv, 1: blur, 2: norm }] of this.blocks.entries()) {
      x = leakyRelu(norm.forward(blur.forward(conv.forward(x))), 0.1);
      tap?.(`blocks.${i}`, x);
    }
    x = adaptiveMaxPool2d(x, [16, 16]);
    tap?.('pool', x);
    return this.to_logits[2].forward(leakyRelu(this.to_logits[0].forward(x), 0.1));
  }
}

interface Stage {
  readonly 0: Conv2d;
  readonly 1: BlurDownsample;
  readonly 2: GroupNorm;
}
const stage = (inChannels: number, outChannels: number, rng: Rng): Stage => ({
  0: new Conv2d(inChannels, outChannels, 3, rng, { padding: 1 }),
  1: new BlurDownsample(),
  2: new GroupNorm(32, outChannels, 1e-5),
});

/**
 * Halves the side after a (1, 3, 3, 1) blur, which prevents aliasing. The kernel is constant but stored in checkpoints.
 */
class BlurDownsample {
  readonly kernel: Tensor; // [1, 1, 4, 4]

  constructor() {
    const taps = [1, 3, 3, 1];
    this.kernel = parameter(() =>
      tensor(
        taps.flatMap((a) => taps.map((b) => (a * b) / 64)),
        [1, 1, 4, 4],
      ),
    );
  }

  forward(x: Tensor): Tensor {
    const [, channels, h, w] = x.shape;
    const weight = expand(this.kernel, [channels, 1, 4, 4]);
    const padding = [...samePadding(h, 4, 2), ...samePadding(w, 4, 2)] as [number, number, number, number];
    return conv2d(x, weight, null, { stride: 2, padding, groups: channels });
  }
}
