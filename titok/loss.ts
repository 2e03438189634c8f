/** The losses of the stages. Each returns its terms by name, one element each; `loss` is their weighted sum. */
import { crossEntropy, embedding, expectOption, mean, permute, reshape, type Tensor, zeros } from '../core/index.ts';
import { l1, mse } from '../nn/index.ts';
import { hingeDiscriminatorLoss, hingeGeneratorLoss, type LeCam } from './adversarial.ts';
import type { Discriminator } from './discriminator.ts';
import { gradientL1 } from './gradient-l1.ts';
import { klDivergence, type Posterior } from './posterior.ts';
import { softLatents } from './teacher.ts';

/** A loss's terms by name, unweighted; `loss` is the one to differentiate. */
export type Terms<Name extends string> = Readonly<Record<Name | 'loss', Tensor>>;

/** Weights of the terms of `warmupLoss`. */
export interface WarmupWeights {
  /** Of commitment and codebook loss. Published: 1. */
  readonly quantizer: number;
  /** Of `embeddingLoss`. Published: 0; a short training needs 1 to 2. */
  readonly embedding: number;
}
/** Stage 1 as published. */
export const publishedWarmup: WarmupWeights = { quantizer: 1, embedding: 0 };
/** Stage 1 in minutes. */
export const laptopWarmup: WarmupWeights = { quantizer: 1, embedding: 2 };

/** The inputs of `warmupLoss`. */
export interface WarmupParts {
  /** [batch, proxyCodebookSize, G, G] */
  readonly logits: Tensor;
  /** [batch, G²] of the frozen teacher for the same images */
  readonly codes: Tensor;
  /** Of TiTok's quantizer; absent while a training does not quantize yet. */
  readonly quantizerLoss?: Tensor | undefined;
  /** The teacher's, [proxyCodebookSize, dim]; needed with w_e > 0. */
  readonly codebook?: Tensor;
}

/**
 * Stage 1's loss: the decoder predicts the teacher's codes.
 *
 *   loss = CE(logits, codes) + w_q · quantizerLoss + w_e · embeddingLoss
 *
 * @throws OptionError for w_e > 0 without the codebook
 * @see Yu et al. 2024, arXiv:2406.07550, section 3.3
 */
export function warmupLoss(
  { logits, codes, quantizerLoss, codebook }: WarmupParts,
  weights: WarmupWeights = publishedWarmup,
): Terms<'reconstructionLoss' | 'quantizerLoss' | 'embeddingLoss'> {
  const reconstructionLoss = proxyCrossEntropy(logits, codes);
  const near = weights.embedding > 0 ? embeddingLoss(logits, codes, neededCodebook(codebook)) : undefined;
  return summed({
    reconstructionLoss: [1, reconstructionLoss],
    quantizerLoss: [weights.quantizer, quantizerLoss],
    embeddingLoss: [weights.embedding, near],
  });
}

function neededCodebook(codebook: Tensor | undefined): Tensor {
  const repair = 'Pass teacher.codebook, or the weight embedding: 0.';
  expectOption(
    codebook !== undefined,
    'warmupLoss',
    'the codebook of the teacher for the embedding loss',
    'none',
    repair,
  );
  return codebook;
}

/** Mean cross-entropy of logits [batch, V, G, G] and codes [batch, G²] over batch and positions; one element. */
export function proxyCrossEntropy(logits: Tensor, codes: Tensor): Tensor {
  const [batch, , h, w] = logits.shape;
  return mean(crossEntropy(permute(logits, [0, 2, 3, 1]), reshape(codes, [batch, h, w])));
}

/**
 * Distance between the expected latent and the right code's latent: a wrong code that looks similar costs little.
 *
 *   mean over positions of Σ_d (softmax(logits) E − E[code])²
 */
export function embeddingLoss(logits: Tensor, codes: Tensor, codebook: Tensor): Tensor {
  const [batch, , h, w] = logits.shape;
  const expected = softLatents(logits, codebook); // [batch, dim, h, w]
  const right = permute(embedding(codebook, reshape(codes, [batch, h, w])), [0, 3, 1, 2]);
  return mean(expected.sub(right).square().sum(1));
}

/** Weights of the terms of `reconstructionLoss`; a term of weight 0 is not computed. */
export interface ReconstructionWeights {
  readonly l2: number;
  readonly l1: number;
  /** Of the L1 distance of image gradients. */
  readonly gradient: number;
  readonly perceptual: number;
  readonly adversarial: number;
  readonly quantizer: number;
  /** Of the KL divergence, summed over tokens and averaged over the batch. */
  readonly kl: number;
}
const none: ReconstructionWeights = { l2: 0, l1: 0, gradient: 0, perceptual: 0, adversarial: 0, quantizer: 0, kl: 0 };

/** Stage 2 as published; the quantizer is frozen. */
export const publishedFinetune: ReconstructionWeights = { ...none, l2: 1, perceptual: 0.1, adversarial: 0.01 };
/**
 * Stage 2 in a minute: the Fréchet distance falls from 35 to 26. Pixel terms alone blur, and it rises. With a perceptual weight of
 * 0.16 it is 27 after 300 updates and rises to 31 after 600, because the discriminator's verdict then outweighs the rest.
 */
export const laptopFinetune: ReconstructionWeights = { ...none, l2: 1, l1: 0.1, perceptual: 0.5, adversarial: 0.04 };
/** The single stage, as the later published models were trained. */
export const publishedSingleStage: ReconstructionWeights = { ...publishedFinetune, quantizer: 1 };
/** The single stage of the published VAE models. */
export const publishedVae: ReconstructionWeights = { ...publishedFinetune, kl: 1e-6 };
/** The single stage in minutes, for comparison with two stages. */
export const laptopSingleStage: ReconstructionWeights = { ...none, l2: 1, l1: 0.3, gradient: 0.15, quantizer: 1 };
/** Stage 0 for the lean teacher: pixels, edges and commitment. */
export const leanTeacherWeights: ReconstructionWeights = { ...none, l2: 4, l1: 1, gradient: 0.25, quantizer: 1 };

/** The inputs of `reconstructionLoss`. A term whose input is absent is 0. */
export interface ReconstructionParts {
  /** [batch, 3, size, size] in 0..1 */
  readonly images: Tensor;
  /** [batch, 3, size, size], not clamped */
  readonly reconstruction: Tensor;
  /** One element, of the model's quantizer. */
  readonly quantizerLoss?: Tensor;
  /** In VAE mode. */
  readonly posterior?: Posterior;
  /** One number from two batches of images. */
  readonly perceptual?: ((images: Tensor, reconstruction: Tensor) => Tensor) | undefined;
  /** Absent until the discriminator has started (published: step 20,000). */
  readonly discriminator?: Discriminator | undefined;
  /** Factor of the adversarial weight, from the weighted terms before it and the adversarial one: `adaptiveWeight`. Default: 1. */
  readonly ganFactor?: ((compared: Tensor, gan: Tensor) => Tensor) | undefined;
}

/**
 * The loss of the stages that compare images: 0, 2 and the single stage.
 *
 *   loss = w₂ mean((x − x̂)²) + w₁ mean|x − x̂| + … + λ w_a (−mean D(x̂))
 *
 * λ is 1, as published, or `ganFactor`.
 */
export function reconstructionLoss(parts: ReconstructionParts, weights: ReconstructionWeights) {
  const { images: x, reconstruction: y, quantizerLoss, posterior, perceptual, discriminator, ganFactor } = parts;
  const when = (weight: number, term: () => Tensor | undefined): [number, Tensor | undefined] => [
    weight,
    weight === 0 ? undefined : term(),
  ];
  const compared = {
    l2Loss: when(weights.l2, () => mse(x, y)),
    l1Loss: when(weights.l1, () => l1(x, y)),
    gradientLoss: when(weights.gradient, () => gradientL1(x, y)),
    perceptualLoss: when(weights.perceptual, () => perceptual?.(x, y)),
  };
  const [, gan] = when(weights.adversarial, () => discriminator && hingeGeneratorLoss(discriminator.forward(y)));
  const factor = gan && ganFactor?.(summed(compared).loss, gan);
  const terms = summed({
    ...compared,
    ganLoss: [factor ? factor.mul(weights.adversarial) : weights.adversarial, gan],
    quantizerLoss: [weights.quantizer, quantizerLoss],
    klLoss: when(weights.kl, () => posterior && klLoss(posterior)),
  });
  return { ...terms, ganFactor: factor };
}

/** KL divergence summed over channels and tokens, averaged over the batch. */
export const klLoss = (posterior: Posterior): Tensor => klDivergence(posterior).sum().div(posterior.mean.shape[0]);

/**
 * The discriminator's loss in stage 2.
 *
 *   loss = ½ (mean relu(1 − D(x)) + mean relu(1 + D(x̂))) + weight · LeCam
 *
 * @param reconstruction  of the decoder's step, without gradient
 * @param weight          of LeCam's regularization; default: as published
 * @returns terms and both logits; call `lecam.update(realLogits, fakeLogits)` after the step
 */
export function discriminatorLoss(
  {
    discriminator,
    lecam,
    images,
    reconstruction,
  }: { discriminator: Discriminator; lecam: LeCam; images: Tensor; reconstruction: Tensor },
  weight = 0.001,
) {
  const realLogits = discriminator.forward(images);
  const fakeLogits = discriminator.forward(reconstruction);
  const terms = summed({
    hingeLoss: [1, hingeDiscriminatorLoss(realLogits, fakeLogits)],
    lecamLoss: [weight, lecam.loss(realLogits, fakeLogits)],
  });
  return { ...terms, realLogits, fakeLogits };
}

/** Sums the weighted terms. Returns them unweighted; absent ones as 0. */
function summed<Name extends string>(
  terms: Readonly<Record<Name, readonly [weight: number | Tensor, term: Tensor | undefined]>>,
): Terms<Name> {
  const named: Record<string, Tensor> = {};
  let loss: Tensor | undefined;
  for (const [name, [weight, term]] of Object.entries<readonly [number | Tensor, Tensor | undefined]>(terms)) {
    named[name] = term ? reshape(term, []) : zeros([]);
    if (!term || weight === 0) continue;
    const part = weight === 1 ? named[name] : named[name].mul(weight);
    loss = loss ? loss.add(part) : part;
  }
  return { ...named, loss: loss ?? zeros([]) } as Terms<Name>;
}
