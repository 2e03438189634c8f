/** Stage 0: a teacher, that is a 2-D tokenizer whose codes stage 1 learns to predict. */
import { concat, type Rng, reshape, type Tensor, tensorScope } from '../core/index.ts';
import {
  AdamW,
  cosineSchedule,
  EmaCodebook,
  finiteGradients,
  loadStateDict,
  pick,
  type StateValue,
  stateDict,
} from '../nn/index.ts';
import type { PixelDecoderConfig } from '../titok/index.ts';
import {
  type AnyTeacher,
  createTeacher,
  decibels,
  LeanTeacher,
  leanTeacher,
  leanTeacherWeights,
  type ReconstructionWeights,
  reconstructionLoss,
  startFromPca,
} from '../titok/index.ts';
import { startCodebook } from './codebook-start.ts';
import { type BatchSource, type Training, TrainingState } from './training.ts';

export interface TeacherSettings {
  readonly teacher: PixelDecoderConfig;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Updates in which the rate rises from 0. */
  readonly warmupSteps: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly weights: ReconstructionWeights;
  /** The codebook follows its latents by moving averages, or is trained by gradient as published. */
  readonly codebook: 'average' | 'gradient';
  /** Updates without quantization, after which the codebook starts from k-means. 0: quantize from the start. */
  readonly continuousSteps: number;
  /** Start the linear path from the principal components of patches (lean teacher only). */
  readonly pcaStart: boolean;
}

/** Measured at 32 pixels on two cores: 21.7 dB after 750 steps of 16 emoji. */
export const teacherDefaults: TeacherSettings = {
  teacher: leanTeacher,
  steps: 750,
  batchSize: 16, // more, smaller steps: batch 8 and 32 were worse at equal time
  learningRate: 1e-3,
  warmupSteps: 50,
  betas: [0.9, 0.99],
  weightDecay: 1e-4, // as the tokenizer's, arXiv:2406.07550
  maxNorm: 1,
  weights: leanTeacherWeights,
  codebook: 'average', // all 512 codes stay in use; by gradient a few dozen
  continuousSteps: 8, // the PCA start is good at once; the codes only need to see where latents lie
  pcaStart: true, // without it everything turns orange or blue
};

export interface TeacherTraining extends Training {
  readonly teacher: AnyTeacher;
}

/** @param weights  to start from, such as the published ones, instead of random numbers or principal components */
export async function trainTeacher(
  settings: TeacherSettings,
  data: BatchSource,
  rng: Rng,
  weights?: Readonly<Record<string, StateValue>>,
): Promise<TeacherTraining> {
  const teacher = createTeacher(settings.teacher, rng);
  if (weights) loadStateDict(teacher, weights, { source: 'teacher weights' });
  const averaged = settings.codebook === 'average';
  const params = pick(stateDict(teacher), (name) => !averaged || !name.startsWith('quantize.'));
  const { betas, weightDecay, maxNorm } = settings;
  const optimizer = new AdamW({ params, betas, weightDecay, maxNorm });
  const rate = cosineSchedule({
    lr: settings.learningRate,
    warmupSteps: settings.warmupSteps,
    totalSteps: settings.steps,
    endLr: 0.05 * settings.learningRate,
  });
  const codebook = new EmaCodebook(teacher.quantize);
  const models = { model: teacher, codebook };
  const state = new TrainingState({ models, optimizers: { model: optimizer }, streams: { data, rng } });

  if (settings.pcaStart && !weights && teacher instanceof LeanTeacher) {
    using _ = tensorScope();
    await startFromPca(teacher, concat(Array.from({ length: 32 }, () => data.next().images)));
  }

  /** [batch, dim, g, g] → as the quantizer takes them, [batch, dim, 1, g·g]. */
  const inARow = (z: Tensor) => reshape(z, [z.shape[0], z.shape[1], 1, -1]);

  async function step() {
    const isQuantized = state.done >= settings.continuousSteps;
    if (state.done === settings.continuousSteps && settings.continuousSteps > 0) {
      await startCodebook(codebook, teacher.quantize, rng, () => inARow(teacher.encoder.forward(data.next().images)));
    }
    using _ = tensorScope();
    const { images } = data.next();
    const forward = () => {
      if (!isQuantized) {
        const reconstruction = teacher.decoder.forward(teacher.encoder.forward(images));
        return reconstructionLoss({ images, reconstruction }, settings.weights);
      }
      const { reconstruction, latents, codes, commitmentLoss, quantizerLoss } = teacher.forward(images);
      const parts = { images, reconstruction, quantizerLoss: averaged ? commitmentLoss : quantizerLoss };
      return { ...reconstructionLoss(parts, settings.weights), latents, codes };
    };
    const { value, grads, norm, report } = await finiteGradients(params, forward, (terms) => ({
      loss: terms.loss,
      mse: terms.l2Loss,
      commitment: terms.quantizerLoss,
    }));
    optimizer.step(grads, { lr: rate(state.done), norm });
    if (averaged && 'latents' in value) {
      codebook.update(inARow(value.latents), reshape(value.codes, [images.shape[0], 1, -1]), rng);
    }
    state.done++;
    return { ...report, ...decibels(report.mse), learningRate: rate(state.done - 1) };
  }

  return { teacher, steps: settings.steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
