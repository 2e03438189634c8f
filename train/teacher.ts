/** Stage 0: a 2-D tokenizer of images, whose codes stage 1 learns to predict. */
import * as z from 'zod';
import { concat, Rng, reshape, type Tensor, tensorScope } from '../core/index.ts';
import { AdamW, clipCoefficient, loadStateDict, type StateValue, stateDict } from '../nn/index.ts';
import {
  leanTeacher,
  leanTeacherWeights,
  patchSizeOf,
  publishedVqgan,
  startFromPca,
  Teacher,
  type TeacherConfig,
  type VqganConfig,
} from '../titok/index.ts';
import { CodebookTraining, noteUnusedCodes } from './codebook.ts';
import { readTerms } from './held-out.ts';
import { fixedJudges, ImageLoss, type Judges, judgedBy, judgesOf, judgesSettings } from './judges.ts';
import { reconstructionWeights } from './model-settings.ts';
import { encodeInParts, gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { modelThatFits } from './room.ts';
import { savedPart } from './saved.ts';
import {
  betas,
  count,
  counts,
  depth,
  flag,
  fraction,
  group,
  oneOf,
  positive,
  side,
  text,
  updates,
  weight,
} from './settings.ts';
import { defineStage } from './stage.ts';
import { type Conflict, discriminatorHelps, fitting, networkHasFiles, someQuantized, someWeight } from './together.ts';
import { type ImageSource, learningRateOf, psnrIn, type Training, TrainingState } from './training.ts';

/** The published teacher at the width that trains on a laptop: one code for each 4 × 4 pixels. */
const laptopVqgan: VqganConfig = {
  kind: 'vqgan',
  hiddenChannels: 32,
  channelMult: [1, 2, 4],
  resBlocks: 2,
  zChannels: 16,
  codebookSize: 512,
};

/** What --teacher may say: starting points for the settings under `teacher`. */
export const teacherConfigs = {
  lean: leanTeacher,
  vqgan: laptopVqgan,
  published: publishedVqgan,
} as const satisfies Record<string, TeacherConfig>;

const { stem, resBlocks, dim, codebookSize } = leanTeacher;

/** The group norms have 8 groups of channels in the lean teacher, 32 in MaskGIT-VQGAN. */
const widthsFitNorm = (config: TeacherConfig): Conflict | false =>
  config.kind === 'lean'
    ? config.stem.at(-1)! % 8 !== 0 && {
        setting: 'stem',
        got: config.stem,
        expected: () => 'a last width that is a multiple of 8, for the group norm',
      }
    : config.hiddenChannels % 32 !== 0 && {
        setting: 'hiddenChannels',
        got: config.hiddenChannels,
        expected: () => 'a multiple of 32, for the group norm',
      };

const imagesFitGrid = ({ imageSize, teacher }: { imageSize: number; teacher: TeacherConfig }): Conflict | false => {
  const patch = patchSizeOf(teacher);
  return (
    imageSize % patch !== 0 && {
      setting: 'imageSize',
      got: imageSize,
      expected: (name) =>
        `a multiple of ${patch}, the pixels that ${name(teacher.kind === 'lean' ? 'teacher.stem' : 'teacher.channelMult')} makes one code of`,
    }
  );
};

/** Weights from a file have their codes. */
const finallyQuantized = (settings: { steps: number; continuousSteps: number; weightsFrom: string }) =>
  settings.weightsFrom === '' && someQuantized(settings);

export const teacherSettings = group({
  imageSize: side(32, 'width and height of the images, pixels'),
  teacher: z
    .discriminatedUnion('kind', [
      z.strictObject({
        kind: z.literal('lean').default('lean'),
        stem: counts(stem, 'widths of the stride-2 convolutions: each halves the side'),
        resBlocks: depth(resBlocks, 'residual blocks on each side', { least: 0 }),
        dim: count(dim, 'numbers per code'),
        codebookSize: count(codebookSize, 'codes'),
      }),
      z.strictObject({
        kind: z.literal('vqgan'),
        hiddenChannels: count(laptopVqgan.hiddenChannels, 'channels at full resolution'),
        channelMult: counts(laptopVqgan.channelMult, 'width of each level, in hiddenChannels'),
        resBlocks: depth(laptopVqgan.resBlocks, 'residual blocks per level', { least: 0 }),
        zChannels: count(laptopVqgan.zChannels, 'numbers per code'),
        codebookSize: count(laptopVqgan.codebookSize, 'codes'),
      }),
    ])
    .prefault({})
    .superRefine(fitting(widthsFitNorm)),
  steps: updates(750, 'updates'),
  batchSize: count(16, 'images per update; 8 and 32 were worse at equal time'),
  ...partsSettings,
  learningRate: positive(1e-3, 'at the top of the cosine'),
  warmupSteps: updates(50, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  betas: betas([0.9, 0.99], "of AdamW's averages"),
  weightDecay: weight(1e-4, "as the tokenizer's, arXiv:2406.07550"),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  weights: reconstructionWeights(leanTeacherWeights, [
    'l2',
    'l1',
    'gradient',
    'perceptual',
    'adversarial',
    'quantizer',
  ]),
  ...judgesSettings,
  codebook: oneOf(['average', 'gradient'], 'average', 'averages keep all 512 codes in use, the gradient a few dozen'),
  continuousSteps: updates(8, 'updates without quantization: the PCA start is good at once'),
  weightsFrom: text('a file of weights to start from, such as the published teacher'),
  pcaStart: flag(true, 'start the linear path from principal components; without it all turns orange or blue'),
}).superRefine(
  fitting(
    imagesFitGrid,
    finallyQuantized,
    someWeight('l2', 'l1', 'gradient', 'perceptual'),
    discriminatorHelps,
    networkHasFiles,
  ),
);
/** The full settings of stage 0. */
export type TeacherSettings = z.output<typeof teacherSettings>;

/**
 * A training of stage 0, without a run: one `step()` is one update.
 *
 * @param weights  to start from, such as the published ones, instead of random numbers or principal components
 * @param judges   for weights above 0
 */
export async function trainTeacher(
  settings: TeacherSettings,
  data: ImageSource,
  rng: Rng,
  weights?: Readonly<Record<string, StateValue>>,
  judges: Judges = {},
): Promise<Training<Teacher>> {
  // model
  const { accumulate } = settings;
  const teacher = modelThatFits('teacher', (rng) => new Teacher(settings.teacher, rng), rng);
  if (weights) loadStateDict(teacher, weights, { source: 'teacher weights' });
  const codebook = new CodebookTraining(teacher.quantize, settings, rng);
  const imageLoss = new ImageLoss('teacher', settings, judges, teacher.decoder.lastLayer);

  // optimizer
  const params = codebook.optimized(stateDict(teacher));
  const optimizer = new AdamW({ params, betas: settings.betas, weightDecay: settings.weightDecay });
  const learningRate = learningRateOf(settings);
  const state = new TrainingState({
    models: { model: teacher, ...codebook.models, ...imageLoss.models },
    optimizers: { model: optimizer, ...imageLoss.optimizers },
    streams: { data, rng },
  });

  if (settings.pcaStart && !weights && settings.teacher.kind === 'lean') {
    using _ = tensorScope();
    await startFromPca(teacher, concat(Array.from({ length: 32 }, () => data.next().images)));
  }

  // loss
  function loss(images: Tensor, done = state.done) {
    if (!codebook.isQuantized(done)) {
      const reconstruction = teacher.decoder.forward(teacher.encoder.forward(images));
      return { ...imageLoss.of({ images, reconstruction }, done), reconstruction };
    }
    const { reconstruction, z, indices, ...quantized } = teacher.forward(images);
    const parts = { images, reconstruction, quantizerLoss: codebook.lossOf(quantized) };
    return { ...imageLoss.of(parts, done), reconstruction, z, indices };
  }

  const reported = (terms: ReturnType<typeof loss>) => ({
    loss: terms.loss,
    mse: terms.l2Loss,
    commitment: terms.quantizerLoss,
    ...imageLoss.reported(terms),
  });

  async function step() {
    const encode = (images: Tensor) => inARow(teacher.encoder.forward(images));
    await codebook.start(state.done, () => encodeInParts(data.next().images, accumulate, encode));
    using _ = tensorScope();
    const { images } = data.next();
    const { value, grads, norm, report } = await gradientsInParts(
      settings,
      params,
      partsOf({ images }, accumulate),
      (part) => loss(part.images),
      reported,
    );
    const verdict = await imageLoss.judge(images, value.reconstruction, state.done);
    const lr = learningRate(state.done);
    optimizer.step(grads, { lr, scale: clipCoefficient(norm, settings.maxNorm) });
    if ('indices' in value) codebook.update(inARow(value.z), reshape(value.indices, [images.shape[0], 1, -1]));
    const judged = imageLoss.update(verdict, report);
    state.done++;
    return { ...report, ...judged, ...psnrIn(report), learningRate: lr };
  }

  const measure = (images: Tensor) => readTerms(() => reported(loss(images, state.done - 1)));

  return { model: teacher, steps: settings.steps, batchSize: settings.batchSize, state, step, measure };
}

/** [batch, dim, g, g] → as the quantizer takes them, [batch, dim, 1, g·g]. */
const inARow = (z: Tensor) => reshape(z, [z.shape[0], z.shape[1], 1, -1]);

const teacherModel = z.looseObject({ teacher: teacherSettings.unwrap().shape.teacher });

/** Stage 0. Trains the 2-D tokenizer that stage 1 learns from. */
export const teacher = defineStage({
  name: 'teacher',
  about: 'stage 0: the 2-D tokenizer whose codes stage 1 predicts',
  settings: teacherSettings,
  sized: (imageSize) => ({ imageSize }),
  imageSize: (_, { imageSize }) => imageSize,
  fixed: (settings) => ({
    imageSize: settings.imageSize,
    teacher: settings.teacher,
    codebook: settings.codebook,
    ...fixedJudges(settings),
  }),
  initial: ['weightsFrom', 'pcaStart'],

  async start(run, settings, before) {
    const { imageSize, teacher: config } = settings;
    const data = await run.batches(imageSize, settings.batchSize, 1);
    await noteUnusedCodes(run, imageSize, config.codebookSize, (imageSize / patchSizeOf(config)) ** 2);
    const weightsFrom = before ? (before['weightsFrom'] as string | undefined) : settings.weightsFrom;
    const weights = weightsFrom && !before ? run.weightsOf(weightsFrom) : undefined; // one that goes on has its own
    const judges = judgesOf(run, settings, imageSize, run.rng(5));
    const changes = { ...(weightsFrom && { continuousSteps: 0 }), ...(before && { pcaStart: false }) }; // it has its codes
    const training = await trainTeacher({ ...settings, ...changes }, data, run.rng(0), weights, judges);
    return { training, stored: { weightsFrom: weightsFrom ?? '' }, madeWith: judgedBy(judges) };
  },

  model: teacherModel,

  load({ settings, groups, source }) {
    const config = savedPart(teacherModel, settings, source, 'settings').teacher;
    const teacher = new Teacher(config, new Rng(0));
    loadStateDict(teacher, groups['model'] ?? {}, { source });
    return teacher;
  },

  evaluate: (run, teacher) =>
    run.evaluateReconstruction(teacher.codebook.shape[0], (images) => {
      const { reconstruction, indices } = teacher.forward(images);
      return { reconstruction, codes: indices };
    }),

  picture: 'teacher.png',
  draw: (run, teacher) =>
    run.drawReconstructions('teacher.png', { teacher: (images) => teacher.forward(images).reconstruction }),
});
