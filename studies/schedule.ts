/** Table 3 b: how many tokens are masked while the generator learns and samples. */
import { merge } from '../train/index.ts';
import { fallsFurther, less } from './claims.ts';
import { samples, time } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTrainings } from './usual-trainings.ts';

/** gFID of TiTok-L-32. */
const paper = { cosine: 3.19, arccos: 2.77, linear: 2.77, root: 2.8 };
const names = Object.keys(paper) as (keyof typeof paper)[];
const in2d = (schedule: (typeof names)[number]) => `2-D, ${schedule}`;

export const schedule: Study = {
  name: 'schedule',
  title: 'Masking schedules',
  source: 'table 3 b of arXiv:2406.07550',
  about:
    "Generators on the 1-D tokens of one TiTok, and on its teacher's 2-D codes, each trained and sampled with another masking schedule. " +
    '`cosine`, the schedule of MaskGIT on a 2-D grid, keeps most tokens masked for longest: r of the way, cos(πr/2) of them, and arccos keeps 2 arccos(r)/π, linear 1 − r, root 1 − √r.',
  measures: [samples, time],
  columns: ['sampleFd', 'precision', 'recall', 'inceptionScore', 'variety', 'samplesPerSecond', 'seconds'],
  chart: { figures: ['sampleFd', 'variety'] },
  pictures: 'samples',
  plan(budget) {
    const { teacher } = budget;
    const changes = (schedule: (typeof names)[number]) => ({ schedule, sampling: { schedule } });
    return {
      rows: [
        ...names.map(
          (schedule): Row => ({
            name: schedule,
            varies: { tokens: '1-D', schedule },
            trainings: merge(usualTrainings(budget), { generator: changes(schedule) }),
            paper: { row: `TiTok-L-32, ${schedule}`, figures: { sampleFd: paper[schedule] } },
          }),
        ),
        ...names.map(
          (schedule): Row => ({
            name: in2d(schedule),
            varies: { tokens: '2-D', schedule },
            trainings: { teacher, generator2d: merge(budget.generator2d, changes(schedule)) },
          }),
        ),
      ],
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
        {
          says: 'On 2-D codes cosine is better than arccos',
          paper: 'cosine is the choice of MaskGIT, arXiv:2202.04200',
          tests: [less('sampleFd', in2d('cosine'), in2d('arccos'))],
        },
        {
          says: 'Arccos in place of cosine gains more on 1-D tokens than on 2-D codes',
          paper: 'explained so, not shown',
          tests: [fallsFurther('sampleFd', ['cosine', 'arccos'], [in2d('cosine'), in2d('arccos')])],
        },
      ],
    };
  },
};
