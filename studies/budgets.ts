/** How much a study spends on each row. */
import { type Preset, presets } from '../train/index.ts';

/** What a study may spend: the settings of a usual row, and how far it varies them. */
export interface Budget
  extends Pick<Preset, 'teacher' | 'finetune' | 'single' | 'generator' | 'generator2d' | 'diffusion'> {
  readonly about: string;
  readonly warmup: Preset['warmup'] & { readonly steps: number };
  readonly classes: NonNullable<Preset['classes']>;
  /** Held-out images to measure with. */
  readonly heldOut: number;
  /** Tokens of a usual row. */
  readonly latentTokens: number;
  /** Numbers of tokens that studies compare. */
  readonly tokens: readonly number[];
  /** Of a usual row. */
  readonly codebookSize: number;
  /** Lengths of a row of tokens that studies compare, of models whose length varies. */
  readonly lengths: readonly number[];
  /** Transformers of three sizes, of encoder and decoder. */
  readonly sizes: Readonly<Record<'S' | 'B' | 'L', { readonly width: number; readonly layers: number }>>;
}

const { smoke, tiny, small } = presets;
const all = Number.POSITIVE_INFINITY;

/** Budgets by the name of the preset that they are cut from. */
export const budgets = {
  /** Shows that everything runs: a quarter of preset smoke's updates, or fewer, with half its batches. */
  smoke: {
    about: 'seconds a row; figures mean little',
    teacher: { steps: 50, warmupSteps: 10, batchSize: 8 },
    warmup: { ...smoke.warmup, steps: 80, warmupSteps: 10, continuousSteps: 20, batchSize: 8 },
    finetune: { ...smoke.finetune, steps: 10, batchSize: 8 },
    single: { ...smoke.single, steps: 80, warmupSteps: 10, continuousSteps: 20, batchSize: 8 },
    generator: { ...smoke.generator, steps: 50, warmupSteps: 10, batchSize: 16 },
    generator2d: { ...smoke.generator2d, steps: 50, warmupSteps: 10, batchSize: 16 },
    diffusion: { ...smoke.diffusion, steps: 50, warmupSteps: 10, batchSize: 16 },
    classes: 'groups',
    heldOut: 96,
    latentTokens: 16,
    tokens: [4, 16, 64],
    codebookSize: 512,
    lengths: [1, 4, 16],
    sizes: { S: { width: 32, layers: 1 }, B: { width: 64, layers: 2 }, L: { width: 96, layers: 2 } },
  },
  /** Preset tiny, with half the updates of stage 1, as a study has dozens of rows; its model is the largest of three. */
  tiny: {
    about: 'minutes a row',
    teacher: tiny.teacher,
    warmup: { ...tiny.warmup, steps: 1000 },
    finetune: { ...tiny.finetune, steps: 200 },
    single: { ...tiny.single, steps: 1000 },
    generator: tiny.generator,
    generator2d: tiny.generator2d,
    diffusion: tiny.diffusion,
    classes: 'groups',
    heldOut: all,
    latentTokens: 16,
    tokens: [4, 16, 64],
    codebookSize: 512,
    lengths: [1, 4, 16, 32],
    sizes: { S: { width: 32, layers: 2 }, B: { width: 64, layers: 3 }, L: { width: 128, layers: 3 } },
  },
  /** Preset small as it is. */
  small: {
    about: 'up to an hour a row',
    teacher: small.teacher,
    warmup: small.warmup,
    finetune: small.finetune,
    single: small.single,
    generator: small.generator,
    generator2d: small.generator2d,
    diffusion: small.diffusion,
    classes: small.classes,
    heldOut: all,
    latentTokens: 32,
    tokens: [4, 8, 16, 32, 64],
    codebookSize: 512,
    lengths: [1, 2, 4, 8, 16, 32],
    sizes: { S: { width: 64, layers: 3 }, B: { width: 128, layers: 4 }, L: { width: 192, layers: 6 } },
  },
} as const satisfies Record<string, Budget>;
/** 'smoke', 'tiny' or 'small'. */
export type BudgetName = keyof typeof budgets;
