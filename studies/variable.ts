/** One model for rows of any length against a model for each length. */
import { merge } from '../train/index.ts';
import { less, rising } from './claims.ts';
import { reconstruction, time } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTokenizer } from './usual-trainings.ts';

const nameOf = (model: string, k: number): string => `${model}, ${k} ${k === 1 ? 'token' : 'tokens'}`;

/** The share of FD that one model for all lengths may be worse by. */
const asGood = 1.1;

export const variable: Study = {
  name: 'variable',
  title: 'Rows of variable length',
  source: 'beyond the paper; arXiv:2501.10064 (One-D-Piece) and arXiv:2502.13967 (FlexTok) train with dropped tails',
  about:
    'One model is trained with dropped tails and decodes the first k of its tokens, for every k. Beside it stands, for each k, a model ' +
    'that was trained with k tokens for as many updates: all these together took as many trainings as there are lengths.',
  findings:
    'What one model for all needs is time, as it learns all lengths at once. With three times the updates of stage 1 (3,000, seed 0) its first 1, 4, 16 and 32 tokens ' +
    'come to FD 71, 35.5, 28.7 and 27.2, and 10.8, 13.9, 16.0 and 16.8 dB: at 16 and 32 tokens it is then as good as the models for one length, which took 1,000 updates each, 4,000 together. ' +
    'A single token gets worse meanwhile (FD 56 before). Lengths drawn with other frequencies were not tried.',
  measures: [reconstruction, time],
  columns: ['fd', 'psnr', 'ssim', 'seconds'],
  chart: { figures: ['fd', 'psnr'], over: 'tokens', lines: 'model' },
  pictures: 'reconstructions',
  plan(budget) {
    const { lengths } = budget;
    const usual = usualTokenizer(budget);
    const one = { model: { latentTokens: Math.max(...lengths), variableLength: true } };
    const [any, own] = ['one for all', 'one for each'];
    return {
      rows: [
        ...lengths.map(
          (tokens): Row => ({
            name: nameOf(any, tokens),
            varies: { model: any, tokens },
            trainings: merge(usual, { warmup: one }),
            tokens,
          }),
        ),
        ...lengths.map(
          (tokens): Row => ({
            name: nameOf(own, tokens),
            varies: { model: own, tokens },
            trainings: merge(usual, { warmup: { model: { latentTokens: tokens } } }),
          }),
        ),
      ],
      claims: [
        {
          says: 'With every further token of one model the picture gets better',
          tests: rising(
            'psnr',
            lengths.map((tokens) => nameOf(any, tokens)),
          ),
        },
        {
          says: 'At every length one model for all is at most 10 % worse in FD than one for each',
          tests: lengths.map((tokens) => less('fd', nameOf(any, tokens), nameOf(own, tokens), asGood)),
        },
      ],
    };
  },
};
