/** Stage 1, "warm-up": TiTok learns to predict the teacher's codes (proxy codes) from its own few tokens. */
import { expectOption, noGrad, type Rng, type Tensor, tensorScope, tidy } from '../core/index.ts';
import { AdamW, cosineSchedule, EmaCodebook, finiteGradients, pick, stateDict } from '../nn/index.ts';
import type { Teacher } from '../titok/index.ts';
import {
  laptopWarmup,
  presets,
  TiTok,
  type TiTokConfig,
  type WarmupWeights,
  warmupConfig,
  warmupLoss,
} from '../titok/index.ts';
import { startCodebook } from './codebook-start.ts';
import { type BatchSource, type Training, TrainingState } from './training.ts';

export interface WarmupSettings {
  readonly model: TiTokConfig;
  readonly steps: number;
  /** Length of the cosine, when the run is cut short on purpose. */
  readonly scheduleSteps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly weights: WarmupWeights;
  readonly codebook: 'average' | 'gradient';
  /** Updates without quantization, after which the codebook starts from k-means. 0: quantize from the start, as published. */
  readonly continuousSteps: number;
}

/** Measured at 32 pixels on two cores: cross-entropy 3.33, 16.2 dB (soft), 508 of 512 codes after 2,000 steps. */
export const warmupDefaults: WarmupSettings = {
  model: presets.tiny,
  steps: 2000,
  scheduleSteps: 2000,
  batchSize: 16,
  learningRate: 2e-3,
  warmupSteps: 50,
  betas: [0.9, 0.99], // arXiv:2406.07550, stage 1
  weightDecay: 1e-4,
  maxNorm: 1,
  weights: laptopWarmup, // the embedding loss took cross-entropy from 3.98 to 3.72 at equal time
  codebook: 'average',
  continuousSteps: 300, // quantized at 150, with cross-entropy still 5.2, it collapsed to 11 codes
};

export interface WarmupTraining extends Training {
  readonly model: TiTok;
}

/** Batches that may bring the teacher's codes of their images, int32 [batch, G²], so that it need not find them again. */
export interface CodedBatchSource extends BatchSource {
  next(): ReturnType<BatchSource['next']> & { readonly codes?: Tensor };
}

export function trainWarmup(
  settings: WarmupSettings,
  teacher: Teacher,
  data: CodedBatchSource,
  rng: Rng,
): WarmupTraining {
  const { head, quantizeMode, proxyCodebookSize } = settings.model;
  const teacherCodes = teacher.codebook.shape[0];
  expectOption(head === 'proxy', 'warm-up, model.head', "'proxy'", head, 'trainSingle learns from pixels.');
  expectOption(quantizeMode === 'vq', 'warm-up, model.quantizeMode', "'vq'", quantizeMode);
  expectOption(
    proxyCodebookSize === teacherCodes,
    'warm-up, model.proxyCodebookSize',
    `the ${teacherCodes} codes of the teacher`,
    proxyCodebookSize,
  );
  const model = new TiTok(warmupConfig(settings.model), rng);
  const quantizer = model.quantize!;
  const averaged = settings.codebook === 'average';
  const params = pick(stateDict(model), (name) => !averaged || !name.startsWith('quantize.'));
  const { betas, weightDecay, maxNorm } = settings;
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
    const { images, codes = noGrad(() => tidy(() => teacher.encode(images))) } = data.next(); // [batch, …], [batch, G²]
    const forward = () => {
      const z = model.encodeLatents(images); // [batch, C, 1, K]
      const quantized = isQuantized ? model.quantizeLatents(z) : undefined;
      const logits = model.decodeLatents(quantized?.zQuantized ?? model.continuous(z)); // [batch, V, G, G]
      const quantizerLoss = averaged ? quantized?.commitmentLoss : quantized?.quantizerLoss;
      const terms = warmupLoss({ logits, codes, quantizerLoss, codebook: teacher.codebook }, settings.weights);
      return { ...terms, z, indices: quantized?.indices };
    };
    const { value, grads, norm, report } = await finiteGradients(params, forward, (terms) => ({
      loss: terms.loss,
      crossEntropy: terms.reconstructionLoss,
      embedding: terms.embeddingLoss,
      commitment: terms.quantizerLoss,
    }));
    optimizer.step(grads, { lr: rate(state.done), norm });
    if (averaged && value.indices) codebook.update(value.z, value.indices, rng);
    state.done++;
    return { ...report, learningRate: rate(state.done - 1) };
  }

  return { model, steps: settings.steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
