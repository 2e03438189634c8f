/** What the laptop presets change about each stage's defaults. */
import type { EmojiClasses } from '../data/browser.ts';
import { laptopGenerators, laptopSampling } from '../maskgit/index.ts';
import { presets as models, type TiTokConfig } from '../titok/index.ts';
import type { diffusion } from './diffusion.ts';
import type { finetune } from './finetune.ts';
import type { generator } from './generator.ts';
import type { generator2d } from './generator2d.ts';
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
  readonly generator2d: ChangesOf<typeof generator2d>;
  readonly diffusion: ChangesOf<typeof diffusion>;
  /** Of the emoji. Default: 'groups'. */
  readonly classes?: EmojiClasses;
  /** Held-out images to measure with; all when left out. */
  readonly heldOut?: number;
}

/** Without imageSize: stage 1's is that of the run's images. */
const sizes = ({ latentTokens, codebookSize, encoder, decoder }: TiTokConfig) => ({
  latentTokens,
  codebookSize,
  encoder,
  decoder,
});

/** Settings for four budgets: `smoke` (a minute), `tiny` (minutes), `small` (an hour), `medium` (64 pixels; two hours). */
export const presets = {
  /** A minute or so: shows that everything runs and learns. */
  smoke: {
    teacher: { steps: 80 },
    warmup: { model: sizes(models.smoke), steps: 330, learningRate: 3e-3, continuousSteps: 80 },
    finetune: {
      steps: 20,
      warmupSteps: 5,
      weights: { perceptual: 0, adversarial: 0 },
      sharpness: 1, // pixel terms alone want the blur
    },
    single: { model: sizes(models.smoke), steps: 330, continuousSteps: 80 },
    generator: { generator: laptopGenerators.smoke, sampling: laptopSampling.smoke, steps: 100 },
    generator2d: { generator: laptopGenerators.smoke, sampling: laptopSampling.smoke, steps: 100 },
    diffusion: { model: { width: 112, layers: 2, heads: 4, mlpWidth: 448 }, sampling: { steps: 20 }, steps: 100 },
    heldOut: 192,
  },
  /** Five minutes on two cores: the recipe of the README. */
  tiny: {
    teacher: {},
    warmup: {},
    finetune: {},
    single: {},
    generator: {},
    // many 2-D codes want less noise than few 1-D tokens: FD 50 at 2, 77 at 3 and 135 at 1 (seed 0)
    generator2d: { sampling: { randomizeTemperature: 2 } },
    diffusion: {},
  },
  /** An hour: twice the tokens, more layers and steps, and classes that mean something. */
  small: {
    teacher: { steps: 1500 },
    warmup: { model: sizes(models.small), steps: 4000 },
    finetune: { steps: 2400, discriminatorLearningRate: 2e-3 },
    single: { model: sizes(models.small), steps: 4000 },
    generator: { generator: laptopGenerators.small, sampling: laptopSampling.small, steps: 3000 },
    generator2d: { generator: laptopGenerators.small, sampling: laptopSampling.small, steps: 3000 },
    diffusion: { steps: 3000 },
    classes: 'subgroups',
  },
  /** About two hours: 64 × 64 pixels in 40 bytes. */
  medium: {
    teacher: { imageSize: 64, steps: 800 },
    warmup: { model: sizes(models.medium), steps: 2600 },
    finetune: { steps: 1800, discriminatorLearningRate: 2e-3 },
    single: { model: { ...sizes(models.medium), imageSize: 64 }, steps: 3500 },
    generator: { generator: laptopGenerators.medium, sampling: laptopSampling.medium, steps: 2000 },
    generator2d: { generator: laptopGenerators.medium, sampling: laptopSampling.medium, steps: 2000 },
    diffusion: { model: { width: 168, layers: 5, heads: 6, mlpWidth: 672 }, steps: 2000 },
    classes: 'subgroups',
  },
} as const satisfies Record<string, Preset>;
/** 'smoke', 'tiny', 'small' or 'medium'. */
export type PresetName = keyof typeof presets;
