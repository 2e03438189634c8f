/** A diffusion transformer on the teacher's latents, to compare MaskGIT with. */
import * as z from 'zod';
import { expectOption, noGrad, Rng, type Tensor, tensor, tensorScope, tidy } from '../core/index.ts';
import {
  addNoise,
  type DiffusionOptions,
  DiT,
  type DiTConfig,
  diffusionDefaults,
  type NoiseSchedule,
  noiseSchedule,
  noiseSchedules,
  predictions,
  sampleLatents,
  targetOf,
} from '../diffusion/index.ts';
import { clipCoefficient, Ema, loadStateDict, mse, stateDict } from '../nn/index.ts';
import { latentDim, patchSizeOf, type Teacher } from '../titok/index.ts';
import { teacherImageSize } from './generator2d.ts';
import { imagesAtOnce, inParts } from './image-batches.ts';
import { LatentBatches, type LatentSource } from './latent-batches.ts';
import { optimizerSettings, stageOptimizers } from './optimizers.ts';
import { gradientsInParts, partsOf, partsSettings } from './parts.ts';
import { modelThatFits } from './room.ts';
import type { Sampler } from './sampler.ts';
import { drawSamples, evaluateSamples } from './samples.ts';
import { savedPart } from './saved.ts';
import { betas, count, depth, fraction, group, internal, oneOf, positive, share, updates, weight } from './settings.ts';
import { defineStage, type RunContext } from './stage.ts';
import { teacher as teacherStage } from './teacher.ts';
import { type Conflict, fitting, headsDivideWidth } from './together.ts';
import { learningRateOf, type Training, TrainingState } from './training.ts';

/** How pictures are drawn. */
export const diffusionSampling = group({
  steps: count(diffusionDefaults.steps, 'predictions of the noise', { most: 1000 }),
  guidanceScale: weight(2, 'strength of classifier-free guidance; 1: none', { most: 1000 }),
  eta: fraction(0, 'noise that each step adds; 0: DDIM, 1: DDPM'),
});

const widthFitsPositions = ({ width }: { width: number }): Conflict | false =>
  width % 4 !== 0 && {
    setting: 'width',
    got: width,
    expected: () => 'a multiple of 4, for the position embedding',
  };

const model = group({
  channels: internal(count(16, "the latents'")),
  gridSize: internal(count(8, "the latents'")),
  classes: internal(count(8, "the dataset's")),
  patchSize: count(1, 'latents per side of a token; a divisor of their grid'),
  width: count(160, 'width of the transformer; with 4 layers it has as many parameters as the generator'),
  layers: depth(4, 'transformer blocks'),
  heads: count(4, 'attention heads; a divisor of the width'),
  mlpWidth: count(640, 'width of the MLPs'),
  prediction: oneOf(
    predictions,
    'velocity',
    'noise as published; after short trainings it gives black and white squares',
  ),
}).superRefine(fitting(headsDivideWidth, widthFitsPositions));

const stepsWithinTimes = ({ sampling, times }: { sampling: { steps: number }; times: number }): Conflict | false =>
  sampling.steps > times && {
    setting: 'sampling.steps',
    got: sampling.steps,
    expected: (name) => `at most ${name('times')} ${times}`,
  };

/** The last betas of the cosine are near 1, so that a small error in the noise is a large one in the picture. */
const cosineNeedsVelocity = ({ model, noise }: { model: { prediction: string }; noise: string }): Conflict | false =>
  noise === 'cosine' &&
  model.prediction === 'noise' && {
    setting: 'model.prediction',
    got: model.prediction,
    expected: (name) => `velocity with ${name('noise')} cosine`,
  };

export const diffusionSettings = group({
  model,
  noise: oneOf(noiseSchedules, 'linear', 'how noise grows with time'),
  times: count(1000, 'of the noise schedule', { least: 21 }),
  steps: updates(1000, 'updates'),
  batchSize: count(32, 'images per update'),
  ...partsSettings,
  learningRate: positive(1e-3, 'at the top of the cosine'),
  warmupSteps: updates(50, 'updates in which the rate rises'),
  endRate: fraction(0, 'of the learning rate, at the end'),
  ...optimizerSettings('adamw'),
  betas: betas([0.9, 0.99], "of AdamW's averages"),
  weightDecay: weight(0, 'on matrices; arXiv:2212.09748'),
  maxNorm: positive(1, 'gradients are clipped to this norm'),
  labelDrop: fraction(0.1, 'of samples trained without their class, which guidance needs; arXiv:2212.09748'),
  emaDecay: share(0.995, 'of the averaged weights; published 0.9999, for millions of steps'),
  sampling: diffusionSampling,
}).superRefine(fitting(stepsWithinTimes, cosineNeedsVelocity));
/** The full settings of the diffusion stage. */
export type DiffusionSettings = z.output<typeof diffusionSettings>;

/** Loss of latents [batch, channels, g, g] and their classes, with the same times and noise every time. */
type MeasureLatents = (x: Tensor, labels: ArrayLike<number>) => Promise<{ loss: number }>;

/**
 * A training of a diffusion transformer, without a run: one `step()` is one update.
 *
 *   loss = mean((target − model(√ᾱ_t x + √(1 − ᾱ_t) ε, t, class))²),   t uniform, ε of N(0, 1)
 *   target = ε, or √ᾱ_t ε − √(1 − ᾱ_t) x
 *
 * @param settings  with the channels, grid and classes of `data`
 * @param data      latents of variance 1 and their classes
 * @param rng       for weights, times, noise and dropped labels
 * @see Peebles and Xie 2022, arXiv:2212.09748; Ho et al. 2020, arXiv:2006.11239
 */
export function trainDiffusion(
  settings: Omit<DiffusionSettings, 'sampling'>,
  data: LatentSource,
  rng: Rng,
): Training<DiT> & { readonly ema: Ema; measureLatents: MeasureLatents } {
  // model
  const { model: config } = settings;
  const model = modelThatFits('diffusion', (rng) => new DiT(config, rng), rng);
  const schedule = noiseSchedule(settings.noise, settings.times);
  const params = stateDict(model);
  const ema = new Ema(params, { decay: settings.emaDecay });

  // optimizer
  const optimizers = stageOptimizers(params, settings);
  const learningRate = learningRateOf(settings);
  const state = new TrainingState({
    models: { model },
    optimizers: optimizers.byName,
    averages: { model: ema },
    streams: { data, rng },
  });

  // loss
  const drawsOf = (x: Tensor, rng: Rng) => ({
    times: rng.uniforms(x.shape[0]).map((u) => Math.floor(u * schedule.times)),
    noise: tensor(rng.normals(x.size), x.shape),
  });

  function loss({ x, labels, times, noise }: ReturnType<typeof drawsOf> & { x: Tensor; labels: ArrayLike<number> }) {
    const output = model.forward(addNoise(x, noise, times, schedule), times, labels);
    return mse(output, targetOf(config.prediction, x, noise, times, schedule));
  }

  async function step() {
    using _ = tensorScope();
    const { latents, labels } = data.next();
    const drops = rng.uniforms(labels.length);
    const shown = labels.map((label, i) => (drops[i] < settings.labelDrop ? config.classes : label));
    const batch = { x: latents, labels: shown, ...drawsOf(latents, rng) };
    const { grads, norm, report } = await gradientsInParts(
      settings,
      params,
      partsOf(batch, settings.accumulate),
      (part) => ({ loss: loss(part) }),
      (terms) => terms,
    );
    const lr = learningRate(state.done);
    optimizers.step(grads, { lr, scale: clipCoefficient(norm, settings.maxNorm) });
    ema.update();
    state.done++;
    return { ...report, learningRate: lr };
  }

  async function measureLatents(x: Tensor, labels: ArrayLike<number>) {
    const value = noGrad(() => tidy(() => loss({ x, labels, ...drawsOf(x, new Rng(0)) })));
    const result = { loss: await value.item() };
    value.dispose();
    return result;
  }

  return { model, ema, steps: settings.steps, batchSize: settings.batchSize, state, step, measureLatents };
}

/** A trained diffusion transformer, the classes that it knows, and how to get images from it. */
interface TrainedDiffusion {
  readonly model: DiT;
  readonly classes: readonly string[];
  /** What the teacher's latents are multiplied by. */
  readonly latentScale: number;
  readonly schedule: NoiseSchedule;
  readonly sampling: DiffusionOptions;
}

/** Draws latents of all images; the teacher turns them into codes, and these into pixels, as it has learned to. */
function sampler(
  run: RunContext,
  { model, classes, latentScale, schedule, sampling: trained }: TrainedDiffusion,
): Sampler<DiffusionOptions> {
  const teacher: Teacher = run.model(teacherStage);
  const { channels, gridSize } = model.config;
  const imageSize = gridSize * patchSizeOf(teacher.config);
  return {
    classes,
    imageSize,
    settings: diffusionSampling as z.ZodType<DiffusionOptions>,
    sampling: trained,
    madeWith: { teacher },
    async *draw(labels, rng, { sampling = trained, onProgress, batchSize } = {}) {
      let total = labels.length;
      const x = await sampleLatents(model, schedule, labels, sampling, rng, {
        ...(batchSize !== undefined && { rowsAtOnce: batchSize }),
        onProgress(done, all) {
          total = all + labels.length; // pictures to decode
          onProgress?.(done, total);
        },
      });
      const width = x.length / labels.length;
      const rows = Array.from({ length: labels.length }, (_, i) => i);
      for (const part of inParts(rows, Math.min(batchSize ?? Number.POSITIVE_INFINITY, imagesAtOnce(imageSize)))) {
        const own = x.subarray(part[0] * width, (part[0] + part.length) * width);
        const images = noGrad(() =>
          tidy(() => {
            const z = tensor(own, [part.length, channels, gridSize, gridSize]).mul(1 / latentScale);
            return teacher.decode(teacher.quantizeLatents(z).zQuantized);
          }),
        );
        yield images;
        images.dispose();
        onProgress?.(total - labels.length + part[0] + part.length, total);
      }
    },
  };
}

const diffusionModel = z
  .object({
    model,
    classes: z.array(z.string()),
    latentScale: z.number().gt(0),
    noise: diffusionSettings.unwrap().shape.noise,
    times: diffusionSettings.unwrap().shape.times,
    sampling: diffusionSampling,
  })
  .refine(({ model, classes }) => model.classes === classes.length, {
    path: ['classes'],
    error: 'as many classes as model.classes says',
  });

/** Trains a diffusion transformer on the latents of the run's teacher. */
export const diffusion = defineStage({
  name: 'diffusion',
  about: "for comparison: a diffusion transformer on the teacher's latents (needs the run's teacher)",
  settings: diffusionSettings,

  imageSize(run, { model: { patchSize } }) {
    const imageSize = teacherImageSize(run);
    const gridSize = imageSize / patchSizeOf(run.model(teacherStage).config);
    const where = 'diffusion settings, model.patchSize';
    expectOption(
      gridSize % patchSize === 0,
      where,
      `a divisor of ${gridSize}, the side of the teacher's grid`,
      patchSize,
    );
    return imageSize;
  },

  fixed({ model: { patchSize, width, layers, heads, mlpWidth, prediction }, noise, times, optimizer }) {
    return { model: { patchSize, width, layers, heads, mlpWidth, prediction }, noise, times, optimizer };
  },
  initial: [],

  async start(run, { sampling, ...settings }, before) {
    const teacher = run.model(teacherStage);
    const imageSize = teacherImageSize(run);
    const dataset = await run.dataset(imageSize);
    const { classes } = dataset;
    const channels = latentDim(teacher.config);
    const gridSize = imageSize / patchSizeOf(teacher.config);
    const config: DiTConfig = { ...settings.model, channels, gridSize, classes: classes.length };
    const { batchSize, steps } = settings;
    const encode = (images: Tensor) => teacher.encoder.forward(images);
    const data = await LatentBatches.encode(
      encode,
      channels,
      dataset,
      batchSize,
      run.seed + 5,
      steps * batchSize,
      run.notify,
      before && diffusionModel.parse(before).latentScale, // with more updates there may be more images
    );
    const { model, measureLatents, ...training } = trainDiffusion({ ...settings, model: config }, data, run.rng(4));
    const measure = async (images: Tensor, labels: Tensor) => {
      using _ = tensorScope();
      const x = noGrad(() => encode(images).mul(data.scale));
      return measureLatents(x, await labels.data());
    };
    const latentScale = data.scale;
    const schedule = noiseSchedule(settings.noise, settings.times);
    return {
      training: { ...training, measure, model: { model, classes, latentScale, schedule, sampling } },
      stored: { model: config, classes: [...classes], latentScale },
      madeWith: { teacher },
    };
  },

  model: diffusionModel,

  /** The model with its averaged weights. */
  load({ settings, groups, source }): TrainedDiffusion {
    const { noise, times, ...saved } = savedPart(diffusionModel, settings, source, 'settings');
    const model = new DiT(saved.model, new Rng(0));
    loadStateDict(model, groups['ema.model'] ?? {}, { source });
    return { ...saved, model, schedule: noiseSchedule(noise, times) };
  },

  sampler,
  evaluate: (run, model) => evaluateSamples(run, 'diffusion', sampler(run, model)),
  picture: 'samples-diffusion.png',
  draw: (run, model) => drawSamples(run, 'samples-diffusion.png', sampler(run, model)),
});
