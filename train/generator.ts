/** Stage 3: a generator learns to fill in masked tokens of a frozen tokenizer. */
import { type Rng, type Tensor, tensorScope } from '../core/index.ts';
import {
  createGenerator,
  dropLabels,
  type Generator,
  type GeneratorConfig,
  inputSequence,
  laptopGenerators,
  maskedAccuracy,
  maskedTokenLoss,
  maskId,
  maskTokens,
  type Schedule,
} from '../maskgit/index.ts';
import { AdamW, cosineSchedule, Ema, finiteGradients, stateDict } from '../nn/index.ts';
import { type Training, TrainingState } from './training.ts';

export interface GeneratorSettings {
  readonly generator: GeneratorConfig;
  readonly steps: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly betas: readonly [number, number];
  readonly weightDecay: number;
  readonly maxNorm: number;
  readonly labelSmoothing: number;
  /** How much a token counts that the generator was shown. */
  readonly unmaskedWeight: number;
  /** Share of the samples trained without their class, which guidance needs. */
  readonly labelDrop: number;
  readonly emaDecay: number;
  readonly schedule: Schedule;
}

/** For the tokens of some 6,500 emoji and their mirror images; figures of a whole run are in the README. */
export const generatorDefaults: GeneratorSettings = {
  generator: laptopGenerators.tiny,
  steps: 1000,
  batchSize: 32,
  learningRate: 1.5e-3,
  warmupSteps: 50,
  betas: [0.9, 0.96], // arXiv:2406.07550, as all below but the average
  weightDecay: 0.03,
  maxNorm: 1,
  labelSmoothing: 0.1,
  unmaskedWeight: 0.1,
  labelDrop: 0.1,
  emaDecay: 0.995, // published 0.999, for half a million steps
  schedule: 'arccos',
};

/** Token rows and classes in a seeded order whose position can be saved. */
export interface TokenSource {
  /** tokens batch·K ids, labels batch classes */
  next(): { tokens: Int32Array; labels: Int32Array };
  state: unknown;
}

export interface GeneratorTraining extends Training {
  readonly generator: Generator;
  /** Sample with its weights: `ema.evaluate(() => …)`. */
  readonly ema: Ema;
}

export function trainGenerator(settings: GeneratorSettings, data: TokenSource, rng: Rng): GeneratorTraining {
  const config = settings.generator;
  const generator = createGenerator(config, rng);
  const params = stateDict(generator);
  const { betas, weightDecay, maxNorm, steps } = settings;
  const optimizer = new AdamW({ params, betas, weightDecay, maxNorm });
  const ema = new Ema(params, { decay: settings.emaDecay });
  const rate = cosineSchedule({
    lr: settings.learningRate,
    warmupSteps: settings.warmupSteps,
    totalSteps: steps,
    endLr: 0.05 * settings.learningRate,
  });
  const state = new TrainingState({
    models: { model: generator },
    optimizers: { model: optimizer },
    averages: { model: ema },
    streams: { data, rng },
  });

  async function step() {
    using _ = tensorScope();
    const { tokens, labels } = data.next();
    const draws = { t: rng.uniforms(labels.length), order: rng.uniforms(tokens.length) };
    const masked = maskTokens(tokens, draws, maskId(config), settings.schedule);
    const shown = dropLabels(config, labels, rng.uniforms(labels.length), settings.labelDrop);
    const sequence = inputSequence(config, masked.tokens, shown);
    const forward = () => {
      const logits = generator.forward(sequence, rng); // dropout on
      return { loss: maskedTokenLoss(logits, tokens, masked.masks, settings), logits };
    };
    const terms = ({ loss }: { loss: Tensor }) => ({ loss });
    const { value, grads, norm, report } = await finiteGradients(params, forward, terms, rng);
    optimizer.step(grads, { lr: rate(state.done), norm });
    ema.update();
    state.done++;
    const accuracy = await maskedAccuracy(value.logits, tokens, masked.masks);
    return { ...report, accuracy, learningRate: rate(state.done - 1) };
  }

  return { generator, ema, steps, state, step, get done() { return state.done; } }; // biome-ignore format: one thought
}
