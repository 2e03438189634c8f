/** The perceptual losses of the paper's code: class logits of ConvNeXt-S, LPIPS, or a weighted mean of both. */
import { expectOption, expectRng, mean, type Rng, resizeBilinear, type Tensor, tensor } from '../../core/index.ts';
import { mse, parameter, type Tap, tapUnder } from '../../nn/index.ts';
import { ConvNext, type ConvNextConfig, convNextSmall } from './convnext.ts';
import { Lpips, vgg16Widths } from './lpips.ts';

/** Sizes of the networks behind a perceptual loss. */
export interface PerceptualNetworks {
  readonly convnext: ConvNextConfig;
  /** Widths of VGG-16's five slices. */
  readonly vgg: readonly number[];
}

/**
 * A perceptual loss by its official name.
 *
 *   'convnext_s'            MSE of the 1000 class logits of both images at 224 × 224 (not of inner features)
 *   'lpips'                 learned distance on VGG-16 features
 *   'lpips-convnext_s-a-b'  (a · lpips + b · convnext) / (a + b)
 *
 * Load the weights with `loadStateDict`, under their published names, and do not train them.
 *
 * @throws OptionError when the name is not one of these
 */
export class PublishedPerceptualLoss {
  readonly imagenet_mean: Tensor; // [1, 3, 1, 1]
  readonly imagenet_std: Tensor;
  readonly lpips?: Lpips;
  readonly convnext?: ConvNext;
  readonly weights: { readonly lpips: number; readonly convnext: number };

  constructor(
    name: string,
    rng: Rng,
    { convnext, vgg }: PerceptualNetworks = { convnext: convNextSmall, vgg: vgg16Widths },
  ) {
    expectRng('PublishedPerceptualLoss', rng);
    this.weights = perceptualWeights(name);
    this.imagenet_mean = parameter(() => tensor([0.485, 0.456, 0.406], [1, 3, 1, 1]));
    this.imagenet_std = parameter(() => tensor([0.229, 0.224, 0.225], [1, 3, 1, 1]));
    if (this.weights.lpips) this.lpips = new Lpips(rng, vgg);
    if (this.weights.convnext) this.convnext = new ConvNext(convnext, rng);
  }

  /** The mean distance of two batches of images [batch, 3, h, w] in 0..1: one element. */
  forward(input: Tensor, target: Tensor): Tensor {
    return mean(this.perImage(input, target));
  }

  /**
   * The distance of each pair: [batch, 1, 1, 1] with LPIPS. ConvNeXt alone gives one element, the mean over the batch.
   */
  perImage(input: Tensor, target: Tensor): Tensor {
    const { lpips: a, convnext: b } = this.weights;
    const distance = this.lpips?.forward(input, target);
    const classes = this.convnext && mse(this.logits(input), this.logits(target));
    if (!distance || !classes) return (distance ?? classes)!;
    return distance
      .mul(a)
      .add(classes.mul(b))
      .div(a + b);
  }

  /** Class logits of images in 0..1: [batch, 1000]. */
  logits(images: Tensor, tap?: Tap): Tensor {
    const resized = resizeBilinear(images, [224, 224], { antialias: true });
    tap?.('resized', resized);
    return this.convnext!.forward(resized.sub(this.imagenet_mean).div(this.imagenet_std), tapUnder('convnext.', tap));
  }
}

/** The weights in an official name: 'lpips-convnext_s-1.0-0.1' → { lpips: 1, convnext: 0.1 }. @throws OptionError */
export function perceptualWeights(name: string): { lpips: number; convnext: number } {
  if (name === 'lpips') return { lpips: 1, convnext: 0 };
  if (name === 'convnext_s') return { lpips: 0, convnext: 1 };
  const [, a, b] = /^lpips-convnext_s-(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(name) ?? [];
  expectOption(
    Number(a) > 0 && Number(b) > 0,
    'perceptual loss',
    "'convnext_s', 'lpips' or 'lpips-convnext_s-1.0-0.1'",
    name,
  );
  return { lpips: Number(a), convnext: Number(b) };
}
