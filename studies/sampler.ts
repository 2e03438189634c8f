/** Steps, guidance and temperature of one trained generator. */
import { falling, less, more } from './claims.ts';
import { samples } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTrainings } from './usual-trainings.ts';

const steps = [1, 2, 4, 8, 16];
const guidance = [0, 1, 3, 6, 9];
const temperature = [0, 1, 3, 6, 9.5];

export const sampler: Study = {
  name: 'sampler',
  title: 'How to sample',
  source: 'beyond the paper, whose TiTok-L-32 samples in 8 steps with guidance 4.5 and temperature 9.5',
  about:
    'One trained generator, sampled in many ways. Each row changes one thing: the number of steps, the strength of classifier-free guidance, ' +
    'or the temperature of the noise in the choice of tokens to keep. All else is 8 steps, guidance 3 and temperature 3.',
  measures: [samples],
  columns: ['sampleFd', 'precision', 'recall', 'inceptionScore', 'variety', 'samplesPerSecond'],
  chart: { figures: ['sampleFd', 'samplesPerSecond'] },
  pictures: 'samples',
  plan(budget) {
    const trainings = usualTrainings(budget);
    const usual = { steps: 8, guidanceScale: 3, randomizeTemperature: 3 };
    const rowOf = (what: string, value: number, change: Partial<typeof usual>): Row => {
      const sampling = { ...usual, ...change };
      return {
        name: `${what} ${value}`,
        varies: {
          'what changes': what,
          steps: sampling.steps,
          guidance: sampling.guidanceScale,
          temperature: sampling.randomizeTemperature,
        },
        trainings,
        sampling,
      };
    };
    return {
      rows: [
        ...steps.map((value) => rowOf('steps', value, { steps: value })),
        ...guidance.map((value) => rowOf('guidance', value, { guidanceScale: value })),
        ...temperature.map((value) => rowOf('temperature', value, { randomizeTemperature: value })),
      ],
      claims: [
        {
          says: 'Eight steps are better than one',
          paper: 'not shown',
          tests: [less('sampleFd', 'steps 8', 'steps 1')],
        },
        {
          says: 'Twice the steps gain less than 10 % in FD',
          paper: 'L-32 and B-64 are sampled in 8 steps',
          tests: [more('sampleFd', 'steps 16', 'steps 8', 0.9)],
        },
        {
          says: 'Guidance makes samples better',
          paper: 'gFID of L-32: 3.15 without, 2.77 with it',
          tests: [less('sampleFd', 'guidance 3', 'guidance 0')],
        },
        {
          says: 'Noise in the choice of tokens makes samples better',
          paper: 'temperature 9.5 for L-32, 11 for B-64, 2.8 for S-128',
          tests: [less('sampleFd', 'temperature 3', 'temperature 0')],
        },
        {
          says: 'Each step costs time',
          paper: 'S-128 with 64 steps: 7.8 samples/s; L-32 with 8: 101.6',
          tests: falling(
            'samplesPerSecond',
            steps.map((value) => `steps ${value}`),
          ),
        },
      ],
    };
  },
};
