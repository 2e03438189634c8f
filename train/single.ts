/** The single-stage recipe: TiTok from pixels, without a teacher. Kept so that the paper's claim for two stages can be checked. */
import { expectOption, type Rng, tensorScope } from '../core/index.ts';
import { AdamW, cosineSchedule, EmaCodebook, finiteGradients, pick, stateDict } from '../nn/index.ts';
import type { PerceptualLoss } from '../titok/index.ts';
import {
  decibels,
  laptopSingleStage,
  presets,
  type ReconstructionWeights,
  reconstructionLoss,
  TiTok,
} from '../titok/index.ts';
import { startCodebook } from './codebook-start.ts';
import { type BatchSource, type Training, TrainingState } from './training.ts';
import { type WarmupSettings, warmupDefaults } from './warmup.ts';

export interface SingleSettings extends Omit<WarmupSettings, 'weights'> {
  readonly weights: ReconstructionWeights;
}

/** As stage 1, so that the two can be compared at equal time; 13.3 dB after 2,134 steps. */
export const singleDefaults: SingleSettings = {
  ...warmupDefaults,
  model: { ...presets.tiny, head: 'pixels' },
  weights: laptopSingleStage,
};

export interface SingleTraining extends Training {
  readonly model: TiTok;
}

export function trainSingle(
  settings: SingleSettings,
  data: BatchSource,
  rng: Rng,
  perceptual: PerceptualLoss | null = null,
): SingleTraining {
  const { head, quantizeMode } = settings.model;
  expectOption(head === 'pixels', 'single stage, model.head', "'pixels'", head, 'trainWarmup learns from a teacher.');
  expectOption(quantizeMode === 'vq', 'single stage, model.quantizeMode', "'vq'", quantizeMode);
  const model = new TiTok(settings.model, rng);
  const quantizer = model.quantize!;
  const averaged = settings.codebook === 'average';
  const params = pick(stateDict(model), (name) => !averaged || !name.startsWith('quantize.'));
  const { betas, weightDecay, maxNorm, steps } = settings;
  const optimizer = new AdamW({ params, betas, weightDecay, maxNorm });
  const rate = cosineSchedule({
    lr: settings.learningRate,
    warmupSteps: settings.warmupSteps,
    totalSteps: settings.scheduleSteps,
    endLr: 0.05 * settings.learningRate,
  });
  const codebook = new EmaCodebook(quantizer);
  const state = new TrainingState({
    models: { model, codebook },
    optimizers: { model: optimizer },
    streams: { data, rng },
  });

  async function step() {
    const isQuantized = state.done >= settings.continuousSteps;
    if (state.done === settings.continuousSteps && settings.continuousSteps > 0) {
      await startCodebook(codebook, quantizer, rng, () => model.encodeLatents(data.next().images));
    }
    using _ = tensorScope();
    const { images } = data.next();
    const forward = () => {
      const z = model.encodeLatents(images);
      const quantized = isQuantized ? model.quantizeLatents(z) : undefined;
      const reconstruction = model.decode(quantized?.zQuantized ?? model.continuous(z));
      const quantizerLoss = averaged ? quantized?.commitmentLoss : quantized?.quantizerLoss;
      const parts = {
        images,
        reconstruction,
        ...(quantizerLoss && { quantizerLoss }),
        perceptual: perceptual ?? undefined,
      };
      return { ...reconstructionLoss(parts, settings.weights), z, indices: quantized?.indices };
    };
    const { value, grads, norm, report } = await finiteGradients(params, forward, (terms) => ({
      loss: terms.loss,
      mse: terms.l2Loss,
      commitment: terms.quantizerLoss,
    }));
    optimizer.step(grads, { lr: rate(state.done), norm });
    if (averaged && value.indices) codebook.update(value.z, value.indices, rng);
    state.done++;
    return { ...report, ...decibels(report.mse), learningRate: rate(state.done - 1) };
  }

  return { model, steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
