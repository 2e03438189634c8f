/** Table 3 b: how many tokens are masked while the generator learns and samples. */
import { merge } from '../train/index.ts';
import { less } from './claims.ts';
import { samples, time } from './measures.ts';
import type { Study } from './study.ts';
import { usualTrainings } from './usual-trainings.ts';

/** gFID of TiTok-L-32. */
const paper = { cosine: 3.19, arccos: 2.77, linear: 2.77, root: 2.8 };
const names = Object.keys(paper) as (keyof typeof paper)[];

export const schedule: Study = {
  name: 'schedule',
  title: 'Masking schedules',
  source: 'table 3 b of arXiv:2406.07550',
  about:
    'Generators on the same tokens, each trained and sampled with another masking schedule. `cosine`, the schedule of MaskGIT on a 2-D grid, keeps ' +
    'most tokens masked for longest: r of the way, cos(πr/2) of them, and arccos keeps 2 arccos(r)/π, linear 1 − r, root 1 − √r.',
  measures: [samples, time],
  columns: ['sampleFd', 'precision', 'recall', 'inceptionScore', 'variety', 'samplesPerSecond', 'seconds'],
  chart: { figures: ['sampleFd', 'variety'] },
  pictures: 'samples',
  plan: (budget) => ({
    rows: names.map((schedule) => ({
      name: schedule,
      varies: { schedule },
      trainings: merge(usualTrainings(budget), { generator: { schedule, sampling: { schedule } } }),
      paper: { row: `TiTok-L-32, ${schedule}`, figures: { sampleFd: paper[schedule] } },
    })),
    claims: [
      {
        says: 'On 1-D tokens cosine is the worst schedule',
        paper: 'gFID 3.19 with cosine, 2.77 to 2.80 with the others',
        tests: names.slice(1).map((other) => less('sampleFd', other, 'cosine')),
      },
      {
        says: 'On 1-D tokens arccos is better than cosine',
        paper: 'gFID 2.77 and 3.19',
        tests: [less('sampleFd', 'arccos', 'cosine')],
      },
    ],
  }),
};
