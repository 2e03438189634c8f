/** Discriminators: is this patch from a real image? Here the laptop's; the published one is in published/. */
import { avgPool2d, expectRng, leakyRelu, type Rng, type Tensor } from '../core/index.ts';
import { Conv2d, pick, type StateDict, stateDict, type Tap } from '../nn/index.ts';

/** Judges images patch by patch. */
export interface Discriminator {
  /** images [batch, 3, size, size] in 0..1 → one logit per patch, [batch, 1, h, w]; the higher, the more real */
  forward(images: Tensor, tap?: Tap): Tensor;
}

/** The parameters that an optimizer may change: all but constant blur kernels. */
export const discriminatorParameters = (model: Discriminator): StateDict =>
  pick(stateDict(model), (name) => !name.endsWith('.kernel'));

/**
 * The laptop's discriminator: 3×3 convolutions of widths 32, 48, 96 that halve the side twice. 57 thousand parameters.
 */
export class SmallDiscriminator implements Discriminator {
  /** Divides the sides of its images, pixels. */
  static readonly unit = 4;

  readonly convs: readonly Conv2d[];
  readonly to_logits: Conv2d;

  constructor(rng: Rng) {
    expectRng('SmallDiscriminator', rng);
    const widths = [3, 32, 48, 96];
    this.convs = widths.slice(1).map((width, i) => new Conv2d(widths[i], width, 3, rng, { padding: 1 }));
    this.to_logits = new Conv2d(96, 1, 3, rng, { padding: 1 });
  }

  forward(images: Tensor): Tensor {
    let x = images;
    for (const [i, conv] of this.convs.entries()) {
      x = leakyRelu(conv.forward(x), 0.1);
      if (i < this.convs.length - 1) x = avgPool2d(x, 2);
    }
    return this.to_logits.forward(x);
  }
}
