/** The trainings as commands run them: data in, checkpoint and pictures out, and a row of figures on held-out images. */
import { join } from 'node:path';
import { Rng, type Tensor } from '../core/index.ts';
import { batches, type ImageDataset } from '../data/index.ts';
import type { Generator, SamplingOptions } from '../maskgit/index.ts';
import type { StateValue } from '../nn/index.ts';
import {
  type AnyTeacher,
  decodeArgmax,
  decodeSoft,
  type MobileNetTrunk,
  mobileNetLoss,
  patchSizeOf,
  proxyCrossEntropy,
  SmallDiscriminator,
  type TiTok,
  withPixelDecoder,
} from '../titok/index.ts';
import { CodedBatches } from './coded-batches.ts';
import { flippable } from './datasets.ts';
import { evaluateReconstruction, type FeatureStatistics, type Reconstruction } from './evaluate.ts';
import { type FinetuneSettings, trainFinetune } from './finetune.ts';
import { type GeneratorSettings, trainGenerator } from './generator.ts';
import { type LoopResult, runTraining } from './loop.ts';
import { writeReconstructions } from './pictures.ts';
import { fingerprint, type Stage } from './run.ts';
import { evaluateSamples, writeSamples } from './samples.ts';
import { type SingleSettings, trainSingle } from './single.ts';
import { type TeacherSettings, trainTeacher } from './teacher.ts';
import { TokenBatches } from './token-batches.ts';
import type { Json, Training } from './training.ts';
import { trainWarmup, type WarmupSettings } from './warmup.ts';

export interface Session {
  readonly folder: string;
  readonly preset: string;
  readonly dataset: ImageDataset;
  readonly trunk: MobileNetTrunk;
  /** Of the held-out images. */
  readonly originals: FeatureStatistics;
  readonly seed: number;
  readonly resume: boolean;
  /** Updates between pictures while training; 0: at the end only. */
  readonly pictureEvery: number;
  /** Updates between checkpoints; 0: at the end only. */
  readonly saveEvery: number;
}

/** One line of the table that a run ends with, and of its metrics.json. */
export interface StageRow {
  readonly name: string;
  readonly steps: number;
  readonly seconds: number;
  readonly imagesPerSecond: number;
  readonly loss: number;
  /** dB on held-out images; null for a generator. */
  readonly psnr: number | null;
  readonly codesUsed: number | null;
  readonly perplexity: number | null;
  /** FD-MNv2 (96-d) against the held-out images. Not FID. */
  readonly fd: number;
  readonly [more: string]: number | string | null;
}

export async function runTeacher(
  session: Session,
  settings: TeacherSettings,
  weights?: Readonly<Record<string, StateValue>>,
): Promise<{ teacher: AnyTeacher; row: StageRow }> {
  const rng = new Rng(session.seed);
  const training = await trainTeacher(settings, loader(session, settings.batchSize, 1), rng, weights);
  const { teacher } = training;
  const reconstruct = (images: Tensor) => teacher.forward(images).reconstruction;
  const result = await run(session, 'teacher', training, settings, { reconstruct });
  const figures = await evaluate(session, teacher.codebook.shape[0], (images) => {
    const { reconstruction, codes } = teacher.forward(images);
    return { reconstruction, codes };
  });
  return { teacher, row: rowOf('teacher', training, result, figures) };
}

export async function runWarmup(
  session: Session,
  settings: WarmupSettings,
  teacher: AnyTeacher,
): Promise<{ model: TiTok; row: StageRow }> {
  const rng = new Rng(session.seed + 1);
  const { batchSize, steps } = settings;
  const data = new CodedBatches(loader(session, batchSize, 2), session.dataset, teacher);
  const training = trainWarmup(fitting(settings, teacher), teacher, data, rng);
  const { model } = training;
  const reconstruct = (images: Tensor) => decodeSoft(teacher, model.forward(images).output);
  const result = await run(session, 'warmup', training, settings, {
    stored: { model: model.config as unknown as Json },
    madeWith: { teacher: await fingerprint(teacher) },
    prepare: () => data.prepare(steps * batchSize),
    reconstruct,
  });
  const codes = model.config.codebookSize;
  const figures = await evaluate(session, codes, (images) => {
    const { output, indices } = model.forward(images);
    return {
      reconstruction: decodeSoft(teacher, output),
      codes: indices,
      terms: { loss: proxyCrossEntropy(output, teacher.encode(images)) },
    };
  });
  const argmax = await evaluate(session, codes, (images) => {
    const { output, indices } = model.forward(images);
    return { reconstruction: decodeArgmax(teacher, output), codes: indices };
  });
  const row = {
    ...rowOf('warmup', training, result, figures),
    psnrArgmax: argmax.psnr,
    fdSoft: figures.fd,
    fd: argmax.fd,
  };
  return { model, row };
}

/** The decoder predicts this teacher's codes: one output for each of its patches. */
function fitting(settings: WarmupSettings, { config }: AnyTeacher): WarmupSettings {
  const decoder = { ...settings.model.decoder, patchSize: patchSizeOf(config) };
  return { ...settings, model: { ...settings.model, decoder, proxyCodebookSize: config.codebookSize } };
}

export async function runFinetune(
  session: Session,
  settings: FinetuneSettings,
  warm: TiTok,
  teacher: AnyTeacher,
): Promise<{ model: TiTok; row: StageRow }> {
  const rng = new Rng(session.seed + 2);
  const model = withPixelDecoder(warm, teacher, settings.sharpness);
  const { perceptual, adversarial } = settings.weights;
  const training = trainFinetune(
    settings,
    model,
    loader(session, settings.batchSize, 3),
    rng,
    perceptual > 0 ? mobileNetLoss(session.trunk) : null,
    adversarial > 0 ? new SmallDiscriminator(rng) : null,
  );
  const madeWith = { warmup: await fingerprint(warm), teacher: await fingerprint(teacher) };
  return finishPixels(session, 'finetune', training, settings, model, madeWith);
}

export async function runSingle(session: Session, settings: SingleSettings): Promise<{ model: TiTok; row: StageRow }> {
  const rng = new Rng(session.seed + 3);
  const perceptual = settings.weights.perceptual > 0 ? mobileNetLoss(session.trunk) : null;
  const training = trainSingle(settings, loader(session, settings.batchSize, 4), rng, perceptual);
  return finishPixels(session, 'single', training, settings, training.model);
}

/** What stage 2 and the single stage have in common: a TiTok that gives pixels. */
async function finishPixels(
  session: Session,
  name: Stage,
  training: Training,
  settings: FinetuneSettings | SingleSettings,
  model: TiTok,
  madeWith: Readonly<Record<string, string>> = {},
): Promise<{ model: TiTok; row: StageRow }> {
  const reconstruct = (images: Tensor) => model.forward(images).output;
  const stored = { model: model.config as unknown as Json };
  const result = await run(session, name, training, settings, { stored, madeWith, reconstruct });
  const figures = await evaluate(session, model.config.codebookSize, (images) => {
    const { output, indices } = model.forward(images);
    return { reconstruction: output, codes: indices };
  });
  return { model, row: rowOf(name, training, result, figures) };
}

export async function runGenerator(
  session: Session,
  settings: GeneratorSettings,
  sampling: SamplingOptions,
  model: TiTok,
): Promise<{ generator: Generator; row: StageRow }> {
  const rng = new Rng(session.seed + 4);
  const { dataset } = session;
  const generatorConfig = {
    ...settings.generator,
    latentTokens: model.config.latentTokens,
    codebookSize: model.config.codebookSize,
    classes: dataset.classes.length,
  };
  const { batchSize, steps } = settings;
  const data = await TokenBatches.encode(model, dataset, batchSize, session.seed + 5, steps * batchSize);
  const training = trainGenerator({ ...settings, generator: generatorConfig }, data, rng);
  const { generator, ema } = training;
  const stored = {
    generator: generatorConfig as unknown as Json,
    classes: [...dataset.classes],
    sampling: sampling as unknown as Json,
  };
  const result = await run(session, 'generator', training, settings, {
    stored,
    madeWith: { tokenizer: await fingerprint(model) },
    pictures: () =>
      ema.evaluate(() => writeSamples(join(session.folder, 'samples.png'), session, generator, sampling, model)),
  });
  const figures = await ema.evaluate(() => evaluateSamples(session, generator, sampling, model));
  return {
    generator,
    row: {
      ...rowOf('generator', training, result, { ...figures, psnr: Number.NaN, codesUsed: 0, perplexity: 0 }),
      psnr: null,
      codesUsed: null,
      perplexity: null,
    },
  };
}

const loader = (session: Session, batchSize: number, stream: number) =>
  batches(session.dataset.train, { batchSize, seed: 1000 * session.seed + stream, flip: flippable(session.dataset) });

interface StageOptions {
  /** What other commands need to rebuild the model, beside the settings. */
  readonly stored?: Readonly<Record<string, Json>>;
  readonly madeWith?: Readonly<Record<string, string>>;
  readonly prepare?: () => Promise<void>;
  /** What pictures show, unless `pictures` draws them. */
  readonly reconstruct?: (images: Tensor) => Tensor;
  readonly pictures?: () => Promise<void>;
}

async function run(
  session: Session,
  name: Stage,
  training: Training,
  settings: { readonly batchSize: number },
  { stored = {}, madeWith = {}, reconstruct, pictures, prepare }: StageOptions,
): Promise<LoopResult> {
  const { folder, preset, resume, saveEvery, pictureEvery } = session;
  const draw = () => writeReconstructions(join(folder, `${name}.png`), session, { [name]: reconstruct! });
  return runTraining(training, {
    name,
    folder,
    preset,
    batchSize: settings.batchSize,
    settings: { ...(settings as unknown as Record<string, Json>), ...stored },
    madeWith,
    resume,
    saveEvery,
    pictureEvery,
    pictures: pictures ?? draw,
    ...(prepare && { prepare }),
  });
}

const evaluate = (
  session: Session,
  codes: number,
  f: Parameters<typeof evaluateReconstruction>[5],
): Promise<Reconstruction> =>
  evaluateReconstruction(session.trunk, session.originals, session.dataset.validation, session.dataset.size, codes, f);

function rowOf(name: string, training: Training, result: LoopResult, figures: Reconstruction): StageRow {
  const { seconds, imagesPerSecond, report } = result;
  return {
    name,
    steps: training.steps,
    seconds,
    imagesPerSecond,
    trainingLoss: report.loss,
    loss: report.loss,
    ...figures,
  };
}
