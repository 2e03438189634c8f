/** Table 3 c: one stage against two, tokens in 1-D against patches in 2-D. */
import { finetune, merge, parseSettings, type Stage, single, teacher, warmup } from '../train/index.ts';
import type { Budget } from './budgets.ts';
import { less } from './claims.ts';
import { reconstruction, time } from './measures.ts';
import type { Row } from './row.ts';
import type { Study } from './study.ts';
import { usualTokenizer } from './usual-trainings.ts';

/** CPU milliseconds of an update at preset tiny's sizes, on one thread; with a discriminator where the stage has one here. */
const cost = {
  teacher: 73,
  vqgan: 137,
  single: { '1d': 207, '2d': 187 },
  warmup: { '1d': 159, '2d': 145 },
  finetune: { '1d': 197, '2d': 174 },
} as const;

/**
 * Losses of every stage that learns pixels, but for the teacher of two stages, which other studies share. The weight of the
 * discriminator is adaptive, as in Taming-VQGAN: a constant 0.04, the default of stage 2, was too strong for a single stage in 1-D.
 * It is small, and the discriminator learns fast, because the adaptive weight makes up for a weak verdict: at 0.4 and a rate of
 * 5e-4, in seven of twelve trainings, the discriminator told nothing apart for hundreds of updates, and pulled all the same.
 */
const judged = {
  weights: { l2: 1, l1: 0.3, gradient: 0.15, perceptual: 0.5, adversarial: 0.1 },
  adaptiveWeight: true,
  discriminatorLearningRate: 2e-3,
};

const tokens = 16; // in 2-D one for each patch of 8 pixels, of 32
const few = 4; // a quarter of the patches that the encoder sees in 1-D, as in the paper; in 2-D patches of 16 pixels
const rowNames = {
  vqgan: '2-D VQGAN, one stage',
  single2d: 'TiTok in 2-D, one stage',
  single1d: 'TiTok in 1-D, one stage',
  few2d: 'TiTok in 2-D, one stage, 4 tokens',
  few1d: 'TiTok in 1-D, one stage, 4 tokens',
  two2d: 'TiTok in 2-D, two stages',
  two1d: 'TiTok in 1-D, two stages',
} as const;

const stepsOf = (stage: Stage, changes: object | undefined): number =>
  (parseSettings(stage.settings, changes, `${stage.name} settings`) as { readonly steps: number }).steps;

/** The rows of two stages and their time. */
function twoStages(budget: Budget, variant: '1d' | '2d', milliseconds?: number) {
  const usual = merge(usualTokenizer(budget), {
    warmup: { model: { variant, latentTokens: tokens } },
    finetune: judged,
  });
  const rest = cost.teacher * stepsOf(teacher, usual.teacher) + cost.finetune[variant] * stepsOf(finetune, usual.finetune); // biome-ignore format: one thought
  const steps =
    milliseconds === undefined
      ? stepsOf(warmup, usual.warmup)
      : Math.round((milliseconds - rest) / cost.warmup[variant]);
  return {
    trainings: merge(usual, { warmup: { steps } }),
    updates: [stepsOf(teacher, usual.teacher), steps, stepsOf(finetune, usual.finetune)].join(' + '),
    milliseconds: rest + cost.warmup[variant] * steps,
  };
}

export const recipe: Study = {
  name: 'recipe',
  title: 'One stage or two, 1-D or 2-D',
  source: 'table 3 c of arXiv:2406.07550',
  about:
    'A 2-D VQGAN and TiTok with its tokens in 2-D (the patches themselves) and in 1-D (latents), each trained from pixels in a single stage; ' +
    'and TiTok in two stages, with the codes of a teacher first. All stages that learn pixels have the same losses and the same discriminator with adaptive weight, ' +
    "but for the teacher. Time is equal by updates: an update's time was measured once for each stage on one thread at the sizes of preset `tiny`, " +
    'and rows have as many updates as take the time of the two stages in 1-D, *teacher included*. At other sizes, and on a busy machine, times differ; the column *training (s)* shows it.',
  measures: [reconstruction, time],
  columns: ['fd', 'psnr', 'ssim', 'codesUsed', 'perplexity', 'seconds'],
  chart: { figures: ['fd', 'psnr'] },
  pictures: 'reconstructions',
  findings:
    'Why 2-D is ahead at preset `tiny`: a patch need not learn where it belongs, a latent must, and there are some 1,200 updates for it; the paper has a million. ' +
    'With three times the updates (seed 0, 16 tokens, one stage) 1-D comes to FD 41.0 and 17.10 dB, 2-D to 30.8 and 17.33 dB: the distance shrinks from 27 to 10 in FD and from 1.4 to 0.2 dB. ' +
    'Tried before: with a heavier and slower discriminator (weight 0.4, rate 5e-4), single stages differed by a factor of two between seeds, as the discriminator told nothing apart for hundreds of updates while its adaptive weight grew.',
  plan(budget) {
    const inTwo = twoStages(budget, '1d');
    const { milliseconds } = inTwo;
    const patches = twoStages(budget, '2d', milliseconds);
    const singleOf = (variant: '1d' | '2d', latentTokens: number) => {
      const steps = Math.round(milliseconds / cost.single[variant]);
      const encoder = variant === '2d' ? { patchSize: 32 / Math.sqrt(latentTokens) } : {};
      const model = { variant, latentTokens, codebookSize: budget.codebookSize, encoder };
      return merge(budget.single, { ...judged, steps, model });
    };
    const vqgan = merge(budget.teacher, { ...judged, steps: Math.round(milliseconds / cost.vqgan) });
    const [single1d, single2d] = [singleOf('1d', tokens), singleOf('2d', tokens)];
    const [few1d, few2d] = [singleOf('1d', few), singleOf('2d', few)];
    const rowOf = (name: string, count: number, updates: string | number, rest: Omit<Row, 'name' | 'varies'>): Row => ({
      name,
      varies: { row: name, tokens: count, updates },
      ...rest,
    });
    return {
      rows: [
        rowOf(rowNames.vqgan, 4 * tokens, stepsOf(teacher, vqgan), {
          trainings: { teacher: vqgan },
          paper: { row: 'Taming-VQGAN, 256 tokens', figures: { fd: 7.94 } },
        }),
        rowOf(rowNames.single2d, tokens, stepsOf(single, single2d), {
          trainings: { single: single2d },
        }),
        rowOf(rowNames.single1d, tokens, stepsOf(single, single1d), {
          trainings: { single: single1d },
          paper: { row: 'TiTok-B-64, one stage', figures: { fd: 5.15 } },
        }),
        rowOf(rowNames.few2d, few, stepsOf(single, few2d), {
          trainings: { single: few2d },
          paper: { row: 'TiTok-B-64 in 2-D, one stage', figures: { fd: 15.58 } },
        }),
        rowOf(rowNames.few1d, few, stepsOf(single, few1d), {
          trainings: { single: few1d },
          paper: { row: 'TiTok-B-64, one stage', figures: { fd: 5.15 } },
        }),
        rowOf(rowNames.two2d, tokens, patches.updates, { trainings: patches.trainings }),
        rowOf(rowNames.two1d, tokens, inTwo.updates, {
          trainings: inTwo.trainings,
          paper: { row: 'TiTok-B-64, two stages', figures: { fd: 1.7 } },
        }),
      ],
      claims: [
        {
          says: 'In one stage, 1-D tokens, a quarter of the patches, reconstruct better than as many tokens in 2-D',
          paper: 'rFID 5.15 and 15.58',
          tests: [less('fd', rowNames.few1d, rowNames.few2d)],
        },
        {
          says: 'So do as many 1-D tokens as patches',
          tests: [less('fd', rowNames.single1d, rowNames.single2d)],
        },
        {
          says: 'Two stages reconstruct better than one',
          paper: 'rFID 1.70 and 5.15',
          tests: [less('fd', rowNames.two1d, rowNames.single1d)],
        },
        {
          says: 'In one stage, 1-D tokens reconstruct better than a 2-D VQGAN with four times as many',
          paper: 'rFID 5.15 and 7.94',
          tests: [less('fd', rowNames.single1d, rowNames.vqgan)],
        },
        {
          says: 'In two stages, too, 1-D tokens reconstruct better than patches',
          tests: [less('fd', rowNames.two1d, rowNames.two2d)],
        },
      ],
    };
  },
};
