/** What the laptop presets train: one plain object for each size. */

import { laptopGenerators, laptopSampling, type SamplingOptions } from '../maskgit/index.ts';
import { laptopFinetune, presets as models } from '../titok/index.ts';
import { type FinetuneSettings, finetuneDefaults } from './finetune.ts';
import { type GeneratorSettings, generatorDefaults } from './generator.ts';
import { type SingleSettings, singleDefaults } from './single.ts';
import { type TeacherSettings, teacherDefaults } from './teacher.ts';
import { type WarmupSettings, warmupDefaults } from './warmup.ts';

export interface Preset {
  readonly teacher: TeacherSettings;
  readonly warmup: WarmupSettings;
  readonly finetune: FinetuneSettings;
  readonly single: SingleSettings;
  readonly generator: GeneratorSettings;
  readonly sampling: SamplingOptions;
  /** Held-out images to measure with; all when left out. */
  readonly heldOut?: number;
}

export const presets = {
  /** A minute or so: shows that everything runs and learns. */
  smoke: {
    teacher: { ...teacherDefaults, steps: 80 },
    // the first 330 updates of 2,000; quantized from 160 on, 29 codes were in use
    warmup: { ...warmupDefaults, model: models.smoke, steps: 330, learningRate: 3e-3 },
    finetune: {
      ...finetuneDefaults,
      steps: 20,
      warmupSteps: 5,
      weights: { ...laptopFinetune, perceptual: 0, adversarial: 0 },
      sharpness: 1, // pixel terms alone want the blur
    },
    single: { ...singleDefaults, model: { ...models.smoke, head: 'pixels' }, steps: 330 },
    generator: { ...generatorDefaults, generator: laptopGenerators.smoke, steps: 100 },
    sampling: laptopSampling.smoke,
    heldOut: 192,
  },
  /** Seven to twenty minutes on two cores: the recipe of the README. */
  tiny: {
    teacher: teacherDefaults,
    // 2,000 updates ended at 15.5 to 16.3 dB, as the teacher's codes were harder or easier to tell apart
    warmup: { ...warmupDefaults, steps: 3000, scheduleSteps: 3000 },
    finetune: finetuneDefaults,
    single: singleDefaults,
    generator: generatorDefaults,
    sampling: laptopSampling.tiny,
  },
  /** About an hour: more tokens, layers and steps. */
  small: {
    teacher: { ...teacherDefaults, steps: 2500 },
    warmup: { ...warmupDefaults, model: models.small, steps: 10_000, scheduleSteps: 10_000, continuousSteps: 600 },
    finetune: { ...finetuneDefaults, steps: 1500 },
    single: { ...singleDefaults, model: { ...models.small, head: 'pixels' }, steps: 10_000, scheduleSteps: 10_000 },
    generator: { ...generatorDefaults, generator: laptopGenerators.small, steps: 3500 },
    sampling: laptopSampling.small,
  },
} as const satisfies Record<string, Preset>;
export type PresetName = keyof typeof presets;
