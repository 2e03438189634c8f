/** Tables 1 and 2: generation by MaskGIT on TiTok's tokens. */
import { merge } from '../train/index.ts';
import { falling } from './claims.ts';
import { reconstruction, samples, time } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTrainings } from './usual-trainings.ts';

/** Size, tokens (a quarter of the paper's, as our pictures have a quarter of the codes), steps; and what the paper has. */
const tokenizers = [
  ['L', 8, 8, 'TiTok-L-32', 2.77, 101.6],
  ['B', 16, 8, 'TiTok-B-64', 2.48, 89.8],
  ['S', 32, 16, 'TiTok-S-128, 64 steps', 1.97, 7.8],
] as const;

export const generation: Study = {
  name: 'generation',
  title: 'Generation',
  source: 'tables 1 and 2 of arXiv:2406.07550',
  about:
    'MaskGIT on the tokens of three tokenizers: a large one with few tokens, a small one with many, and one between them. The generators are equally large.',
  measures: [reconstruction, samples, time],
  columns: [
    'fd',
    'sampleFd',
    'precision',
    'recall',
    'density',
    'coverage',
    'inceptionScore',
    'variety',
    'samplesPerSecond',
    'parameters',
    'seconds',
  ],
  chart: { figures: ['sampleFd', 'samplesPerSecond'] },
  pictures: 'samples',
  plan(budget) {
    const rows = tokenizers.map(([size, tokens, steps, row, sampleFd, samplesPerSecond]): Row => {
      const { width, layers } = budget.sizes[size];
      const half = { width, layers };
      return {
        name: `TiTok-${size}-${tokens} + MaskGIT`,
        varies: { model: `TiTok-${size}-${tokens} + MaskGIT`, tokens, steps },
        trainings: merge(usualTrainings(budget), {
          warmup: { model: { latentTokens: tokens, encoder: half, decoder: half } },
        }),
        sampling: { steps },
        paper: { row, figures: { sampleFd, samplesPerSecond } },
      };
    });
    const names = rows.map(({ name }) => name);
    return {
      rows,
      claims: [
        {
          says: 'With more tokens, and smaller tokenizers, samples are better',
          paper: 'gFID 2.77, 2.48, 1.97',
          tests: falling('sampleFd', names),
        },
        {
          says: 'With fewer tokens, samples come faster',
          paper: '101.6, 89.8 and 7.8 samples/s',
          tests: falling('samplesPerSecond', names),
        },
      ],
    };
  },
};
