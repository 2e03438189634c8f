/** ConvNeXt (torchvision's layout): the classifier whose logits the published stage 2 compares. */
import { expectRng, gelu, mean, ones, permute, type Rng, type Tensor } from '../../core/index.ts';
import { Conv2d, LayerNorm, Linear, parameter, type Tap } from '../../nn/index.ts';

/** Sizes of a ConvNeXt. */
export interface ConvNextConfig {
  /** Width of each stage. */
  readonly dims: readonly number[];
  /** Blocks of each stage. */
  readonly depths: readonly number[];
  readonly classes: number;
}
/** ConvNeXt-S. */
export const convNextSmall: ConvNextConfig = { dims: [96, 192, 384, 768], depths: [3, 3, 27, 3], classes: 1000 };

/**
 * An image classifier.
 *
 * @see Liu et al. 2022, arXiv:2201.03545
 */
export class ConvNext {
  /** Stem, blocks, downsampling, blocks, …; named by index as in torchvision. */
  readonly features: readonly (Patchify | Downsample | readonly ConvNextBlock[])[];
  readonly classifier: { readonly 0: LayerNorm; readonly 2: Linear };

  constructor({ dims, depths, classes }: ConvNextConfig, rng: Rng) {
    expectRng('ConvNext', rng);
    this.features = dims.flatMap((dim, i) => [
      i === 0 ? new Patchify(dim, rng) : new Downsample(dims[i - 1], dim, rng),
      Array.from({ length: depths[i] }, () => new ConvNextBlock(dim, rng)),
    ]);
    this.classifier = { 0: new LayerNorm(dims.at(-1)!, 1e-6), 2: new Linear(dims.at(-1)!, classes, rng) };
  }

  /** Normalized images [batch, 3, h, w] → class logits [batch, classes]. */
  forward(x: Tensor, tap?: Tap): Tensor {
    for (const [i, part] of this.features.entries()) {
      x = Array.isArray(part)
        ? part.reduce((y: Tensor, block: ConvNextBlock) => block.forward(y), x)
        : (part as Patchify).forward(x);
      tap?.(`features.${i}`, x);
    }
    return this.classifier[2].forward(this.classifier[0].forward(mean(x, [2, 3])));
  }
}

class Patchify {
  readonly 0: Conv2d;
  readonly 1: LayerNorm;
  constructor(dim: number, rng: Rng) {
    this[0] = new Conv2d(3, dim, 4, rng, { stride: 4 });
    this[1] = new LayerNorm(dim, 1e-6);
  }
  forward(x: Tensor): Tensor {
    return channelsFirst(this[1].forward(channelsLast(this[0].forward(x))));
  }
}

class Downsample {
  readonly 0: LayerNorm;
  readonly 1: Conv2d;
  constructor(inChannels: number, outChannels: number, rng: Rng) {
    this[0] = new LayerNorm(inChannels, 1e-6);
    this[1] = new Conv2d(inChannels, outChannels, 2, rng, { stride: 2 });
  }
  forward(x: Tensor): Tensor {
    return this[1].forward(channelsFirst(this[0].forward(channelsLast(x))));
  }
}

/** y = x + γ · W₂ gelu(W₁ norm(depthwise 7×7 (x))) */
class ConvNextBlock {
  readonly layer_scale: Tensor; // [dim, 1, 1]
  readonly block: { readonly 0: Conv2d; readonly 2: LayerNorm; readonly 3: Linear; readonly 5: Linear };
  constructor(dim: number, rng: Rng) {
    this.layer_scale = parameter(() => ones([dim, 1, 1]).mul(1e-6));
    this.block = {
      0: new Conv2d(dim, dim, 7, rng, { padding: 3, groups: dim }),
      2: new LayerNorm(dim, 1e-6),
      3: new Linear(dim, 4 * dim, rng),
      5: new Linear(4 * dim, dim, rng),
    };
  }
  forward(x: Tensor): Tensor {
    const { 0: depthwise, 2: norm, 3: expand, 5: project } = this.block;
    const h = project.forward(gelu(expand.forward(norm.forward(channelsLast(depthwise.forward(x))))));
    return x.add(channelsFirst(h).mul(this.layer_scale));
  }
}

const channelsLast = (x: Tensor): Tensor => permute(x, [0, 2, 3, 1]);
const channelsFirst = (x: Tensor): Tensor => permute(x, [0, 3, 1, 2]);
