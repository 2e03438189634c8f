/** How latents become codes, beyond the paper. */
import { merge } from '../train/index.ts';
import { less, more } from './claims.ts';
import { reconstruction, time } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTokenizer } from './usual-trainings.ts';

/** Name, settings of stage 1, and where the quantizer comes from. */
const quantizers = [
  ['vq, averages', { codebook: 'average' }, 'arXiv:1711.00937'],
  ['vq, gradient', { codebook: 'gradient' }, 'arXiv:2406.07550'],
  ['rotation', { model: { quantizer: 'rotation' } }, 'arXiv:2410.06424'],
  ['simvq', { model: { quantizer: 'simvq' } }, 'arXiv:2411.02038'],
  ['fsq', { model: { quantizer: 'fsq' } }, 'arXiv:2309.15505'],
  ['ifsq', { model: { quantizer: 'ifsq' } }, 'as fsq, other bound'],
  ['lfq', { model: { quantizer: 'lfq' } }, 'arXiv:2310.05737'],
  ['bsq', { model: { quantizer: 'bsq' } }, 'arXiv:2406.07548'],
] as const;

export const quantizer: Study = {
  name: 'quantizer',
  title: 'Quantizers',
  source: "beyond the paper, whose codes follow the gradient: 'vq, gradient'",
  about:
    'The same tokenizer with eight quantizers of equally many codes, so a token has the same bits everywhere. All else is equal: teacher, ' +
    'updates, stage 2. Codes of *vq* are learned, by running averages of their latents or by the gradient; *rotation* is vq with averages and ' +
    'another gradient; *simvq* learns a linear map of random codes; *fsq*, *ifsq*, *lfq* and *bsq* have fixed codes.',
  measures: [reconstruction, time],
  columns: ['fd', 'psnr', 'ssim', 'codesUsed', 'perplexity', 'seconds'],
  chart: { figures: ['fd', 'psnr', 'perplexity'] },
  pictures: 'reconstructions',
  findings:
    'The rotation trick changes the gradient that reaches the encoder. Its paper finds that more codes come into use; here averages, and the revival of unused ' +
    'codes, have all 512 in use without it. Not tried: the trick with codes that follow the gradient.',
  plan(budget) {
    const usual = usualTokenizer(budget);
    const bits = Math.log2(budget.codebookSize);
    const rows = quantizers.map(
      ([name, warmup, from]): Row => ({
        name,
        varies: { quantizer: name, 'bits a token': bits, from },
        trainings: merge(usual, { warmup }),
      }),
    );
    const names = rows.map(({ name }) => name);
    const others = (row: string) => names.filter((name) => name !== row);
    return {
      rows,
      claims: [
        {
          says: 'Codes that follow averages are more in use than those that follow the gradient',
          tests: [more('perplexity', 'vq, averages', 'vq, gradient')],
        },
        {
          says: 'Codes that follow averages reconstruct better than those that follow the gradient',
          tests: [less('fd', 'vq, averages', 'vq, gradient')],
        },
        {
          says: 'The gradient of the rotation trick reconstructs better than the straight-through one',
          tests: [less('fd', 'rotation', 'vq, averages')],
        },
        {
          says: 'Learned codes reconstruct better than the best fixed grid',
          tests: ['fsq', 'ifsq', 'lfq', 'bsq'].map((fixed) => less('fd', 'vq, averages', fixed)),
        },
        {
          says: 'No quantizer is better by more than 10 % in FD than vq with averages',
          tests: others('vq, averages').map((other) => less('fd', 'vq, averages', other, 1 / 0.9)),
        },
      ],
    };
  },
};
