/** What the laptop presets change about each stage's defaults. */
import { laptopGenerators, laptopSampling } from '../maskgit/index.ts';
import { presets as models, type TiTokConfig } from '../titok/index.ts';
import type { finetune } from './finetune.ts';
import type { generator } from './generator.ts';
import type { single } from './single.ts';
import type { ChangesOf } from './stage.ts';
import type { teacher } from './teacher.ts';
import type { warmup } from './warmup.ts';

/** What a preset changes about the defaults of each stage. */
export interface Preset {
  readonly teacher: ChangesOf<typeof teacher>;
  readonly warmup: ChangesOf<typeof warmup>;
  readonly finetune: ChangesOf<typeof finetune>;
  readonly single: ChangesOf<typeof single>;
  readonly generator: ChangesOf<typeof generator>;
  /** Held-out images to measure with; all when left out. */
  readonly heldOut?: number;
}

const sizes = ({ latentTokens, encoder, decoder }: TiTokConfig) => ({ latentTokens, encoder, decoder });

/** Settings for three budgets: `smoke` (a minute), `tiny` (minutes), `small` (an hour). */
export const presets = {
  /** A minute or so: shows that everything runs and learns. */
  smoke: {
    teacher: { steps: 80 },
    // the first 330 updates of 2,000; quantized from 160 on, 29 codes were in use
    warmup: { model: sizes(models.smoke), steps: 330, learningRate: 3e-3 },
    finetune: {
      steps: 20,
      warmupSteps: 5,
      weights: { perceptual: 0, adversarial: 0 },
      sharpness: 1, // pixel terms alone want the blur
    },
    single: { model: sizes(models.smoke), steps: 330 },
    generator: { generator: laptopGenerators.smoke, sampling: laptopSampling.smoke, steps: 100 },
    heldOut: 192,
  },
  /** Seven to twenty minutes on two cores: the recipe of the README. */
  tiny: {
    teacher: {},
    // 2,000 updates ended at 15.5 to 16.3 dB, as the teacher's codes were harder or easier to tell apart
    warmup: { steps: 3000, scheduleSteps: 3000 },
    finetune: {},
    single: {},
    generator: {},
  },
  /** About an hour: more tokens, layers and steps. */
  small: {
    teacher: { steps: 2500 },
    warmup: { model: sizes(models.small), steps: 10_000, scheduleSteps: 10_000, continuousSteps: 600 },
    finetune: { steps: 1500 },
    single: { model: sizes(models.small), steps: 10_000, scheduleSteps: 10_000 },
    generator: { generator: laptopGenerators.small, sampling: laptopSampling.small, steps: 3500 },
  },
} as const satisfies Record<string, Preset>;
/** 'smoke', 'tiny' or 'small'. */
export type PresetName = keyof typeof presets;
