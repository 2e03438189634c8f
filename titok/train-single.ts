/** The single-stage recipe: TiTok from pixels, without a teacher. Kept so that the paper's claim for two stages can be checked. */
import { concat, noGrad, type Rng, tensorScope, tidy, valueAndGrad } from '../core/index.ts';
import {
  AdamW,
  type BatchSource,
  cosineSchedule,
  EmaCodebook,
  latentRows,
  pick,
  readFinite,
  stateDict,
  type Training,
  TrainingState,
} from '../nn/index.ts';
import { presets } from './config.ts';
import { laptopSingleStage, type ReconstructionWeights, reconstructionLoss } from './loss.ts';
import { TiTok } from './model.ts';
import type { PerceptualLoss } from './perceptual/index.ts';
import { type WarmupSettings, warmupDefaults } from './train-warmup.ts';

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

  async function startCodebook(): Promise<void> {
    using _ = tensorScope();
    const batches = Math.ceil((16 * quantizer.codebookSize) / (settings.batchSize * settings.model.latentTokens));
    const latents = noGrad(() =>
      concat(
        Array.from({ length: batches }, () =>
          tidy(() => latentRows(quantizer, model.encodeLatents(data.next().images))),
        ),
      ),
    );
    await codebook.warmStart(await latents.data(), rng);
  }

  async function step() {
    const quantised = state.done >= settings.continuousSteps;
    if (state.done === settings.continuousSteps && settings.continuousSteps > 0) await startCodebook();
    using _ = tensorScope();
    const { images } = data.next();
    const forward = () => {
      const z = model.encodeLatents(images);
      const quantized = quantised ? model.quantizeLatents(z) : undefined;
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
    const { value, grads } = valueAndGrad(params, forward);
    const report = await readFinite({ loss: value.loss, mse: value.l2Loss, commitment: value.quantizerLoss }, forward);
    optimizer.step(grads, { lr: rate(state.done) });
    if (averaged && value.indices) codebook.update(value.z, value.indices, rng);
    state.done++;
    return { ...report, psnr: -10 * Math.log10(report.mse), learningRate: rate(state.done - 1) };
  }

  return { model, steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
