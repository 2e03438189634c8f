/** Table 3 a: what makes a tokenizer better. */
import { merge } from '../train/index.ts';
import { falling, fallsFurther } from './claims.ts';
import { reconstruction, time } from './measures.ts';
import type { PaperRow, Row, Trainings } from './row.ts';
import type { Study } from './study.ts';
import { usualTokenizer } from './usual-trainings.ts';

const published = (row: string, fd: number): PaperRow => ({ row, figures: { fd } });

export const tokenizer: Study = {
  name: 'tokenizer',
  title: 'A larger codebook, longer training, a fine-tuned decoder',
  source: 'table 3 a of arXiv:2406.07550',
  about:
    'Each row adds one thing to the row above: four times the codes, twice the updates of stage 1, stage 2. ' +
    "Before stage 2 the teacher's decoder draws the likeliest codes.",
  measures: [reconstruction, time],
  columns: ['fd', 'psnr', 'ssim', 'codesUsed', 'perplexity', 'seconds'],
  chart: { figures: ['fd', 'psnr', 'perplexity'] },
  pictures: 'reconstructions',
  findings:
    'The last claim is about when training ends. The paper trains for 100 epochs more, after which little is left to gain; the 500 updates ' +
    'more here come early, when each still counts, and gain as much as stage 2.',
  plan(budget) {
    const { codebookSize } = budget;
    const { teacher, warmup, finetune } = usualTokenizer(budget);
    const few = codebookSize / 4;
    const [base, codes, longer, tuned] = ['base', '+ larger codebook', '+ longer training', '+ decoder fine-tuning'];
    const rowOf = (name: string, [codes, updates]: readonly number[], trainings: Trainings, paper: PaperRow): Row => ({
      name,
      varies: { row: name, codes, updates, 'stage 2': trainings.finetune ? 'yes' : 'no' },
      trainings,
      paper,
    });
    const short = Math.round(budget.warmup.steps / 2);
    const [fewShort, manyShort] = [{ steps: short, model: { codebookSize: few } }, { steps: short }];
    const usual = [codebookSize, budget.warmup.steps];
    return {
      rows: [
        rowOf(base, [few, short], { teacher, warmup: merge(warmup, fewShort) }, published('L-32, 1,024 codes', 6.59)),
        rowOf(
          codes,
          [codebookSize, short],
          { teacher, warmup: merge(warmup, manyShort) },
          published('4,096 codes', 5.85),
        ),
        rowOf(longer, usual, { teacher, warmup }, published('200 epochs in place of 100', 5.48)),
        rowOf(tuned, usual, { teacher, warmup, finetune }, published('decoder fine-tuning', 2.21)),
      ],
      claims: [
        {
          says: 'A larger codebook reconstructs better',
          paper: 'rFID 6.59 → 5.85',
          tests: falling('fd', [base, codes]),
        },
        {
          says: 'Longer training reconstructs better',
          paper: 'rFID 5.85 → 5.48',
          tests: falling('fd', [codes, longer]),
        },
        {
          says: 'A fine-tuned decoder reconstructs better',
          paper: 'rFID 5.48 → 2.21',
          tests: falling('fd', [longer, tuned]),
        },
        {
          says: 'Fine-tuning the decoder gains more than both others',
          paper: '3.27 against 1.11',
          tests: [fallsFurther('fd', [longer, tuned], [base, longer])],
        },
      ],
    };
  },
};
