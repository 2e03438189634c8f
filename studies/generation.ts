/** Tables 1 and 2: generation by MaskGIT on TiTok's tokens, by MaskGIT on 2-D codes, and by diffusion. */
import { merge } from '../train/index.ts';
import { falling, less, more } from './claims.ts';
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

const maskgit2d = 'MaskGIT on 2-D codes';
const ditSteps = [20, 50];
const dit = (steps: number): string => `DiT, ${steps} steps`;

/** How many times as fast as DiT-XL/2 the paper's TiTok is at least: S-128 in 64 steps. */
const timesAsFast = 13;

export const generation: Study = {
  name: 'generation',
  title: 'Generation',
  source: 'tables 1 and 2 of arXiv:2406.07550',
  about:
    'MaskGIT on the tokens of three tokenizers: a large one with few tokens, a small one with many, and one between them; MaskGIT on the 2-D codes of their teacher; ' +
    "and a diffusion transformer (DiT) on the teacher's latents. The generators are about equally large and have as many updates. The paper's DiT-XL/2 has 250 steps and four times the parameters.",
  findings:
    'With 1-D tokens, samples are as good as what the tokenizer decodes: FD of samples follows that of reconstructions, and at this budget the small tokenizer with many tokens ' +
    '(width 32, two layers) reconstructs worst, in the paper best; whether its width or its few updates are to blame was not tried. ' +
    'DiT is far from its end after as many updates as the others. With three times as many (seed 0, 20 steps) its FD falls from 100 to 71, and with more guidance further: ' +
    '62 at strength 4 and 58 at 8 (89 and 86 with the updates of this page), where MaskGIT on the same grid has 50 and the small tokenizer 51. Still more updates were not tried. ' +
    'Only the small tokenizer, with 16 steps for 32 tokens, is less than 13 times as fast as DiT in 50 steps; the paper counts 250, which take five times as long. ' +
    '1-D tokens are sampled with noise temperature 3, though rows of 32 may want less: the 32 tokens of model emoji-32 have a sample FD of 23.0 at 2 and of 27.5 at 3. That was not tried here. ' +
    'Times of training are those of a machine that did other work meanwhile.',
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
    const { teacher, generator2d, diffusion } = budget;
    const patches: Row = {
      name: maskgit2d,
      varies: { model: maskgit2d, tokens: 64, steps: 8 },
      trainings: { teacher, generator2d },
      sampling: { steps: 8 },
      paper: { row: 'MaskGIT-VQGAN', figures: { sampleFd: 6.18, samplesPerSecond: 50.5 } },
    };
    const diffused = ditSteps.map(
      (steps): Row => ({
        name: dit(steps),
        varies: { model: 'DiT on 2-D latents', tokens: 64, steps },
        trainings: { teacher, diffusion },
        sampling: { steps },
        paper: { row: 'DiT-XL/2, 250 steps', figures: { sampleFd: 2.27, samplesPerSecond: 0.6 } },
      }),
    );
    const slow = dit(Math.max(...ditSteps));
    return {
      rows: [...rows, patches, ...diffused],
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
        {
          says: 'Samples of few 1-D tokens are better than those of MaskGIT on 2-D codes',
          paper: 'gFID 2.77 and 6.18',
          tests: [less('sampleFd', names[0], maskgit2d)],
        },
        {
          says: 'Samples of few 1-D tokens come faster than those of MaskGIT on 2-D codes',
          paper: '101.6 and 50.5 samples/s',
          tests: [more('samplesPerSecond', names[0], maskgit2d)],
        },
        {
          says: 'Samples of many 1-D tokens are better than those of DiT',
          paper: 'gFID 1.97 and 2.27',
          tests: [less('sampleFd', names[names.length - 1], slow)],
        },
        {
          says: `Samples come at least ${timesAsFast} times as fast as from DiT`,
          paper: '13 to 410 times, against 250 steps',
          tests: names.map((name) => more('samplesPerSecond', name, slow, timesAsFast)),
        },
      ],
    };
  },
};
