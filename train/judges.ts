/** The networks that judge reconstructions: a frozen one, and a discriminator that learns beside the model. */
import { expectOption, full, isRecording, mean, type Rng, type Tensor } from '../core/index.ts';
import { AdamW, clipCoefficient, type Optimizer } from '../nn/index.ts';
import {
  adaptiveWeight,
  type Discriminator,
  discriminatorLoss,
  discriminatorParameters,
  LeCam,
  mobileNetLoss,
  PatchDiscriminator,
  type PerceptualLoss,
  type PublishedPerceptualLoss,
  publishedDiscriminator,
  type ReconstructionParts,
  type ReconstructionWeights,
  reconstructionLoss,
  SmallDiscriminator,
} from '../titok/index.ts';
import { gradientsInParts, type PartsSettings, partsOf } from './parts.ts';
import { flag, fraction, oneOf, positive, text } from './settings.ts';
import type { RunContext } from './stage.ts';

/** Settings of stages whose pictures are judged. */
export const judgesSettings = {
  perceptualNetwork: oneOf(
    ['mobilenet', 'convnext_s', 'lpips', 'lpips-convnext_s-1.0-0.1'],
    'mobilenet',
    "what weights.perceptual compares pictures with: features of the package's MobileNetV2, or a loss of the paper's code",
  ),
  perceptualFiles: text(
    "weights of the published networks, with commas: torchvision's ConvNeXt-S or VGG-16, LPIPS's layers on it",
  ),
  discriminator: oneOf(
    ['small', 'published'],
    'small',
    "57 thousand parameters, or the 1.9 million of the paper's code, for 256 pixels",
  ),
  discriminatorLearningRate: positive(5e-4, "the discriminator's, constant"),
  discriminatorStart: fraction(
    0.05,
    'part of the steps before the discriminator joins in: at first it would judge noise',
  ),
  adaptiveWeight: flag(
    false,
    'weights.adversarial times the ratio of the gradients of the other image terms and of the verdict at the last layer; arXiv:2012.09841',
  ),
};

export interface JudgesSettings extends PartsSettings {
  readonly steps: number;
  readonly weights: ReconstructionWeights;
  readonly perceptualNetwork: string;
  readonly perceptualFiles: string;
  readonly discriminator: 'small' | 'published';
  readonly discriminatorLearningRate: number;
  readonly discriminatorStart: number;
  readonly adaptiveWeight: boolean;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly maxNorm: number;
}

/** What a training is given to judge with. A weight above 0 needs its network. */
export interface Judges {
  /** One number from two batches of images. */
  readonly perceptual?: PerceptualLoss | null | undefined;
  /** Behind `perceptual`, when it is one of the paper's code. */
  readonly network?: PublishedPerceptualLoss | null | undefined;
  /** Changed in place. */
  readonly discriminator?: Discriminator | null | undefined;
}

/**
 * The judges that weights above 0 ask for.
 *
 * @param rng  for the discriminator's weights
 * @throws OptionError for images that the discriminator cannot halve twice: it joins in late, and a training would end there
 */
export function judgesOf(run: RunContext, settings: JudgesSettings, imageSize: number, rng: Rng): Judges {
  const { weights, perceptualNetwork: name, perceptualFiles, discriminator } = settings;
  expectOption(
    weights.adversarial === 0 || discriminator !== 'small' || imageSize % SmallDiscriminator.unit === 0,
    'discriminator small',
    `images with a size that ${SmallDiscriminator.unit} divides`,
    imageSize,
    'Take the published discriminator, another size, or weights.adversarial 0.',
  );
  const network =
    weights.perceptual > 0 && name !== 'mobilenet' ? run.perceptual(name, filesIn(perceptualFiles)) : null;
  const make = { small: () => new SmallDiscriminator(rng), published: () => new PatchDiscriminator(publishedDiscriminator, rng) }; // biome-ignore format: one thought
  return {
    network,
    perceptual: network
      ? (images, reconstruction) => network.forward(reconstruction, images)
      : weights.perceptual > 0
        ? mobileNetLoss(run.trunk)
        : null,
    discriminator: weights.adversarial > 0 ? make[discriminator]() : null,
  };
}

const filesIn = (text: string): string[] => text.split(',').map((path) => path.trim()).filter(Boolean); // biome-ignore format: one thought

/** What a checkpoint keeps the fingerprint of. */
export const judgedBy = ({ network }: Judges): Readonly<Record<string, object>> =>
  network ? { 'perceptual network': network } : {};

/** What stays as it is when a training is resumed. */
export const fixedJudges = ({ weights, perceptualNetwork, discriminator }: JudgesSettings) => ({
  'weights.adversarial above 0': weights.adversarial > 0,
  ...(weights.adversarial > 0 && { discriminator }),
  perceptualNetwork,
});

type ImageTerms = ReturnType<typeof reconstructionLoss>;
type Verdict = Awaited<ReturnType<Critic['pass']>>;

/** `reconstructionLoss` in a training, and the discriminator's own training beside it. */
export class ImageLoss {
  readonly #weights: ReconstructionWeights;
  readonly #perceptual: PerceptualLoss | undefined;
  readonly #critic: Critic | undefined;
  readonly #start: number;
  readonly #lastLayer: Tensor | undefined;
  #factor = 1;

  /**
   * @param where      names the stage in errors
   * @param lastLayer  weight of the decoder's last layer, for the adaptive weight
   * @throws OptionError when a weight is above 0 and its network is missing
   */
  constructor(where: string, settings: JudgesSettings, { perceptual, discriminator }: Judges, lastLayer: Tensor) {
    const { weights, discriminatorStart, steps, adaptiveWeight } = settings;
    for (const [term, network] of Object.entries({ perceptual, adversarial: discriminator })) {
      const weight = weights[term as keyof ReconstructionWeights];
      expectOption(weight === 0 || !!network, `${where}, weights.${term}`, '0 without a network that judges', weight);
    }
    this.#weights = weights;
    this.#perceptual = perceptual ?? undefined;
    this.#critic = discriminator && weights.adversarial > 0 ? new Critic(discriminator, settings) : undefined;
    this.#start = Math.round(discriminatorStart * steps);
    this.#lastLayer = adaptiveWeight ? lastLayer : undefined;
  }

  /** What learns here, for the checkpoint. */
  get models(): Readonly<Record<string, object>> {
    return this.#critic ? { discriminator: this.#critic.discriminator, lecam: this.#critic.lecam } : {};
  }
  get optimizers(): Readonly<Record<string, Optimizer>> {
    return this.#critic ? { discriminator: this.#critic.optimizer } : {};
  }

  /**
   * The loss in the update after `done` others. Without gradients, as for held-out images, the adaptive weight is that of the
   * latest update.
   */
  of(parts: Omit<ReconstructionParts, 'perceptual' | 'discriminator' | 'ganFactor'>, done: number): ImageTerms {
    const lastLayer = this.#lastLayer;
    const ganFactor =
      lastLayer &&
      ((compared: Tensor, gan: Tensor) =>
        isRecording() ? adaptiveWeight(compared, gan, lastLayer) : full([], this.#factor, { device: gan.device }));
    const discriminator = this.#joinsIn(done)?.discriminator;
    return reconstructionLoss({ ...parts, perceptual: this.#perceptual, discriminator, ganFactor }, this.#weights);
  }

  /** The terms to report that not all trainings have: `kl`, `perceptual`, `gan`, `ganFactor`. */
  reported({ klLoss, perceptualLoss, ganLoss, ganFactor }: ImageTerms): Readonly<Record<never, Tensor>> {
    return {
      ...(this.#weights.kl > 0 && { kl: klLoss }),
      ...(this.#weights.perceptual > 0 && { perceptual: perceptualLoss }),
      ...(this.#critic && { gan: ganLoss }),
      ...(ganFactor && { ganFactor }),
    };
  }

  /**
   * The discriminator's loss and gradients for the pictures of an update; undefined before it joins in. Changes nothing.
   *
   * @param done  updates before this one
   * @throws NonFiniteError
   */
  async judge(images: Tensor, reconstruction: Tensor, done: number): Promise<Verdict | undefined> {
    return this.#joinsIn(done)?.pass(images, reconstruction);
  }

  /**
   * The discriminator's update, after that of the model.
   *
   * @param report  of the model's pass
   * @returns what it reports
   */
  update(verdict: Verdict | undefined, report: Readonly<Record<string, number>>): Record<string, number> {
    this.#factor = report['ganFactor'] ?? this.#factor;
    return verdict ? this.#critic!.update(verdict) : {};
  }

  /** Once it has joined in, it stays: a training that goes on with more steps would begin to judge later. */
  #joinsIn(done: number): Critic | undefined {
    const critic = this.#critic;
    return critic && (done >= this.#start || critic.optimizer.updates > 0) ? critic : undefined;
  }
}

/** A discriminator and its training: hinge loss with LeCam regularization. */
class Critic {
  readonly discriminator: Discriminator;
  readonly optimizer: AdamW;
  readonly lecam = new LeCam();
  readonly #params;
  readonly #settings: JudgesSettings;

  constructor(discriminator: Discriminator, settings: JudgesSettings) {
    const { discriminatorLearningRate, betas, weightDecay } = settings;
    this.discriminator = discriminator;
    this.#settings = settings;
    this.#params = discriminatorParameters(discriminator);
    this.optimizer = new AdamW({ params: this.#params, lr: discriminatorLearningRate, betas, weightDecay });
  }

  pass(images: Tensor, reconstruction: Tensor) {
    const { discriminator, lecam } = this;
    return gradientsInParts(
      this.#settings,
      this.#params,
      partsOf({ images, reconstruction }, this.#settings.accumulate),
      (part) => discriminatorLoss({ discriminator, lecam, ...part }),
      ({ loss, realLogits, fakeLogits }) => ({ discriminator: loss, margin: mean(realLogits).sub(mean(fakeLogits)) }),
    );
  }

  update({ value, grads, norm, report }: Verdict): { discriminator: number; margin: number } {
    this.optimizer.step(grads, { scale: clipCoefficient(norm, this.#settings.maxNorm) });
    this.lecam.update(value.realLogits, value.fakeLogits);
    return { discriminator: report.discriminator, margin: report.margin };
  }
}
