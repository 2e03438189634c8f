/** Registers, in the program that loads it, two studies of two rows and a budget in which a row takes a second. */

import {
  type Budget,
  budgets,
  latentProbe,
  more,
  reconstruction,
  type Study,
  samples,
  studies,
  time,
} from '../../studies/index.ts';
import { merge, presets } from '../../train/index.ts';

const half = { width: 16, layers: 1 };
const few = { batchSize: 2, steps: 12, warmupSteps: 2 };
const { smoke } = presets;

/** Pictures of 16 × 16 pixels. */
export const mite: Budget = {
  about: 'a second a row',
  teacher: { ...few, imageSize: 16, teacher: { kind: 'lean', stem: [8, 8], resBlocks: 1, dim: 4, codebookSize: 16 } },
  warmup: {
    ...few,
    continuousSteps: 4,
    model: {
      imageSize: 16,
      codebookSize: 16,
      encoder: { ...half, heads: 2, patchSize: 8 },
      decoder: { ...half, heads: 2 },
    },
  },
  finetune: { ...smoke.finetune, ...few },
  single: smoke.single,
  generator: merge(smoke.generator, { ...few, generator: { width: 16, layers: 1, heads: 2, mlpWidth: 32 } }),
  generator2d: merge(smoke.generator2d, { ...few, generator: { width: 16, layers: 1, heads: 2, mlpWidth: 32 } }),
  diffusion: merge(smoke.diffusion, { ...few, model: { width: 16, layers: 1, heads: 2, mlpWidth: 64 } }),
  classes: 'groups',
  heldOut: 4,
  latentTokens: 4,
  tokens: [2, 4],
  codebookSize: 16,
  lengths: [1, 2, 4],
  sizes: { S: half, B: half, L: half },
};

/** Two numbers of tokens. The first claim is about sizes, so it is right; the second is its opposite. */
export const pair: Study = {
  name: 'pair',
  title: 'Two numbers of tokens',
  source: 'none',
  about: 'Two rows.',
  measures: [reconstruction, latentProbe, samples, time],
  columns: [
    'fd',
    'psnr',
    'ssim',
    'probe',
    'sampleFd',
    'precision',
    'inceptionScore',
    'samplesPerSecond',
    'parameters',
    'seconds',
  ],
  chart: { figures: ['fd', 'psnr'], over: 'tokens' },
  pictures: 'reconstructions',
  plan: ({ teacher, warmup, finetune, generator, tokens }) => ({
    rows: tokens.map((latentTokens) => ({
      name: `${latentTokens} tokens`,
      varies: { tokens: latentTokens },
      trainings: { teacher, warmup: merge(warmup, { model: { latentTokens } }), finetune, generator },
      paper: { row: `${8 * latentTokens} tokens`, figures: { fd: 10 / latentTokens } },
    })),
    claims: [
      {
        says: 'Longer rows need more parameters',
        paper: 'a law of arithmetic',
        tests: [more('parameters', '4 tokens', '2 tokens')],
      },
      {
        says: 'Shorter rows need more',
        paper: 'nothing of the kind',
        tests: [more('parameters', '2 tokens', '4 tokens')],
      },
      { says: 'A hundred times', tests: [more('psnr', '4 tokens', '2 tokens', 100)] },
    ],
  }),
};

/** What draws without a TiTok, on the teacher's codes and latents. */
export const without: Study = {
  name: 'without',
  title: 'Without a TiTok',
  source: 'none',
  about: 'Two rows.',
  measures: [samples],
  columns: ['sampleFd', 'variety', 'samplesPerSecond', 'parameters'],
  chart: { figures: ['sampleFd'] },
  pictures: 'samples',
  plan: ({ teacher, generator2d, diffusion }) => ({
    rows: [
      { name: 'MaskGIT', varies: {}, trainings: { teacher, generator2d } },
      { name: 'DiT', varies: {}, trainings: { teacher, diffusion }, sampling: { steps: 2 } },
    ],
    claims: [{ says: 'DiT is larger', tests: [more('parameters', 'DiT', 'MaskGIT')] }],
  }),
};

Object.assign(studies, { pair, without });
Object.assign(budgets, { mite });
