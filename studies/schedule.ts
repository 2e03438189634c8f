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
  findings:
    'Root is so bad because of how it is drawn with, not because of what was learned: generators that learned with root and are drawn with arccos have FD 34.0, 34.9 and 35.0 (seeds 0 to 2), about those of arccos itself (35.2, 35.4, 33.1), ' +
    'and those that learned with arccos and are drawn with root 55.4 and 48.0 (seeds 0 and 2). The noise in the choice of tokens, 3 in 1-D and 2 in 2-D, cools from round to round, and the tokens themselves are drawn with it. ' +
    'Root fills in 6 of 16 in the first of eight rounds, which is the hottest, the others 1 or 2. More rounds alone do not help, as the first ones stay hot (root, seed 0: 56.5 with 16, 73.6 with 64). ' +
    'So a schedule that fills in early wants less noise. Root is best at 1.5 of the four that were tried (seed 0: 51.1 at 1, 41.6 at 1.5, 44.5 at 2, 55.5 at 3; over three seeds 40.8 at 1.5, and with 16 rounds 37.8 in seed 0); ' +
    'linear gains a little from 2 (34.4, 37.3 and 34.7, in the mean 35.5 instead of 36.8), while cosine loses (42.4 at 2 in the mean, 37.5 at 4 in seed 0) and arccos, too (seed 0: 37.4 at 2, 38.5 at 4). ' +
    'So each at its best noise, arccos, linear and cosine are within 1.3 of one another in the mean, and root is the worst. ' +
    'In 2-D it is the same (seed 0): linear falls from 62.5 at 2 to 50.4 at 1.5, about what arccos and cosine have at 2, root from 135 to 90 at 1, and what learned with root and is drawn with arccos has 49.6. ' +
    'The paper samples with more tokens, other noise and a far larger model, which may be why its root keeps up; not tried.',
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
