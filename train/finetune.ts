/** Stage 2, "fine-tuning": the decoder learns pixels; encoder and codes stay as stage 1 left them. */
import { noGrad, type Rng, type Tensor, tensorScope } from '../core/index.ts';
import { AdamW, cosineSchedule, finiteGradients, LeCam, pick, stateDict } from '../nn/index.ts';
import type { PerceptualLoss } from '../titok/index.ts';
import {
  type Discriminator,
  decibels,
  discriminatorLoss,
  discriminatorParameters,
  isTrainedInStage2,
  laptopFinetune,
  type ReconstructionWeights,
  reconstructionLoss,
  type TiTok,
} from '../titok/index.ts';
import { type BatchSource, type Training, TrainingState } from './training.ts';

export interface FinetuneSettings {
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly discriminatorLearningRate: number;
  readonly warmupSteps: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly weights: ReconstructionWeights;
  /** Factor of stage 1's logits at the start, see `withPixelDecoder`. Published: 1. */
  readonly sharpness: number;
  /** Share of the steps after which the discriminator joins in. */
  readonly discriminatorStart: number;
}

export const finetuneDefaults: FinetuneSettings = {
  steps: 300,
  batchSize: 16,
  learningRate: 7e-4,
  discriminatorLearningRate: 5e-4,
  warmupSteps: 20,
  betas: [0.9, 0.999], // arXiv:2406.07550, stage 2
  weightDecay: 1e-4,
  maxNorm: 1,
  weights: laptopFinetune,
  sharpness: 5, // Fréchet distance before the first step 51 instead of 120, after the last 35 to 36 whatever the seed
  discriminatorStart: 0.05, // from the first step it would judge noise
};

export interface FinetuneTraining extends Training {
  readonly model: TiTok;
}

/**
 * @param model          from `withPixelDecoder`; changed in place
 * @param perceptual     one number from two batches of images, or null for none
 * @param discriminator  or null for none
 */
export function trainFinetune(
  settings: FinetuneSettings,
  model: TiTok,
  data: BatchSource,
  rng: Rng,
  perceptual: PerceptualLoss | null,
  discriminator: Discriminator | null,
): FinetuneTraining {
  const { betas, weightDecay, maxNorm, warmupSteps, steps, weights } = settings;
  const params = pick(stateDict(model), isTrainedInStage2);
  const optimizer = new AdamW({ params, betas, weightDecay, maxNorm });
  const rate = cosineSchedule({
    lr: settings.learningRate,
    warmupSteps,
    totalSteps: steps,
    endLr: 0.05 * settings.learningRate,
  });

  const criticParams = discriminator ? discriminatorParameters(discriminator) : {};
  const criticOptimizer = new AdamW({
    params: criticParams,
    lr: settings.discriminatorLearningRate,
    betas,
    weightDecay,
    maxNorm,
  });
  const lecam = new LeCam();
  const start = Math.round(settings.discriminatorStart * steps);
  const state = new TrainingState({
    models: { model, discriminator: discriminator ?? {}, lecam },
    optimizers: { model: optimizer, discriminator: criticOptimizer },
    streams: { data, rng },
  });

  async function step() {
    using _ = tensorScope();
    const { images } = data.next();
    const critic = state.done >= start ? discriminator : null;
    const { zQuantized } = noGrad(() => model.encode(images));
    const forward = () => {
      const reconstruction = model.decode(zQuantized);
      const parts = { images, reconstruction, perceptual: perceptual ?? undefined, discriminator: critic ?? undefined };
      return { ...reconstructionLoss(parts, weights), reconstruction };
    };
    const decoder = await finiteGradients(params, forward, (terms) => ({
      loss: terms.loss,
      mse: terms.l2Loss,
      perceptual: terms.perceptualLoss,
      gan: terms.ganLoss,
    }));
    const judged = critic && (await judge(critic, images, decoder.value.reconstruction));
    optimizer.step(decoder.grads, { lr: rate(state.done), norm: decoder.norm }); // both passes were finite
    if (judged) {
      criticOptimizer.step(judged.grads, { norm: judged.norm });
      lecam.update(judged.value.realLogits, judged.value.fakeLogits);
    }
    state.done++;
    const { report } = decoder;
    return {
      ...report,
      ...(judged && { discriminator: judged.report.discriminator }),
      ...decibels(report.mse),
      learningRate: rate(state.done - 1),
    };
  }

  /** The discriminator's own pass, on the reconstructions that the decoder just made. */
  const judge = (critic: Discriminator, images: Tensor, reconstruction: Tensor) =>
    finiteGradients(
      criticParams,
      () => discriminatorLoss({ discriminator: critic, lecam, images, reconstruction }),
      ({ loss }) => ({ discriminator: loss }),
    );

  return { model, steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
