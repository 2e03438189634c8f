/** The trainings as commands run them: data in, checkpoint and pictures out, and a row of figures on held-out images. */
import { join } from 'node:path';
import { concat, noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import { batches, type ImageDataset, imageGrid, writePng } from '../data/index.ts';
import { frechetDistance } from '../eval/index.ts';
import {
  drawsFrom,
  type Generator,
  type GeneratorSettings,
  type SamplingOptions,
  sample,
  trainGenerator,
} from '../maskgit/index.ts';
import type { Json, Training } from '../nn/index.ts';
import {
  type AnyTeacher,
  decodeArgmax,
  decodeSoft,
  type FinetuneSettings,
  type MobileNetTrunk,
  mobileNetLoss,
  proxyCrossEntropy,
  type SingleSettings,
  SmallDiscriminator,
  type TeacherSettings,
  type TiTok,
  trainFinetune,
  trainSingle,
  trainTeacher,
  trainWarmup,
  type WarmupSettings,
  withPixelDecoder,
} from '../titok/index.ts';
import { evaluateReconstruction, FeatureStatistics, imagesOf, type Reconstruction } from './evaluate.ts';
import { type LoopResult, runTraining } from './loop.ts';
import { picturesOf } from './pictures.ts';
import { TokenBatches } from './token-batches.ts';

export interface Session {
  readonly folder: string;
  readonly dataset: ImageDataset;
  readonly trunk: MobileNetTrunk;
  /** Of the held-out images. */
  readonly originals: FeatureStatistics;
  readonly seed: number;
  readonly resume: boolean;
  /** Updates between pictures while training; 0: at the end only. */
  readonly pictureEvery: number;
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

/** Raised by Ctrl-C: what was done is saved. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

const SHOWN = 10; // held-out images in pictures

export async function runTeacher(
  session: Session,
  settings: TeacherSettings,
): Promise<{ teacher: AnyTeacher; row: StageRow }> {
  const rng = new Rng(session.seed);
  const training = await trainTeacher(settings, loader(session, settings.batchSize, 1), rng);
  const { teacher } = training;
  const reconstruct = (images: Tensor) => teacher.forward(images).reconstruction;
  const result = await run(session, 'teacher', training, settings, {}, reconstruct);
  const figures = await evaluate(session, teacher.codebook.shape[0]!, (images) => {
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
  const training = trainWarmup(settings, teacher, loader(session, settings.batchSize, 2), rng);
  const { model } = training;
  const reconstruct = (images: Tensor) => decodeSoft(teacher, model.forward(images).output);
  const result = await run(
    session,
    'warmup',
    training,
    settings,
    { model: model.config as unknown as Json },
    reconstruct,
  );
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

export async function runFinetune(
  session: Session,
  settings: FinetuneSettings,
  warm: TiTok,
  teacher: AnyTeacher,
): Promise<{ model: TiTok; row: StageRow }> {
  const rng = new Rng(session.seed + 2);
  const model = withPixelDecoder(warm, teacher);
  const { perceptual, adversarial } = settings.weights;
  const training = trainFinetune(
    settings,
    model,
    loader(session, settings.batchSize, 3),
    rng,
    perceptual > 0 ? mobileNetLoss(session.trunk) : null,
    adversarial > 0 ? new SmallDiscriminator(rng) : null,
  );
  return finishPixels(session, 'finetune', training, settings, model);
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
  name: string,
  training: Training,
  settings: FinetuneSettings | SingleSettings,
  model: TiTok,
): Promise<{ model: TiTok; row: StageRow }> {
  const reconstruct = (images: Tensor) => model.forward(images).output;
  const result = await run(session, name, training, settings, { model: model.config as unknown as Json }, reconstruct);
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
  const data = await TokenBatches.encode(model, dataset, settings.batchSize, session.seed + 5);
  const training = trainGenerator({ ...settings, generator: generatorConfig }, data, rng);
  const { generator, ema } = training;
  const stored = {
    generator: generatorConfig as unknown as Json,
    classes: [...dataset.classes],
    sampling: sampling as unknown as Json,
  };
  const result = await run(session, 'generator', training, settings, stored, null, () =>
    ema.evaluate(async () => writeSamples(join(session.folder, 'samples.png'), session, generator, sampling, model)),
  );
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

/** As many samples as there are held-out images, with their classes. */
async function evaluateSamples(
  session: Session,
  generator: Generator,
  sampling: SamplingOptions,
  model: TiTok,
): Promise<{ fd: number }> {
  const features = new FeatureStatistics(session.trunk);
  const rng = new Rng(session.seed + 6);
  const { labels } = session.dataset.validation;
  for (let start = 0; start < labels.length; start += 64) {
    const images = await generate(generator, labels.subarray(start, start + 64), sampling, model, rng);
    await features.add(images);
    images.dispose();
  }
  return { fd: frechetDistance(session.originals.statistics, features.statistics) };
}

/** Images of freshly sampled tokens, [labels, 3, size, size], not clamped. */
export async function generate(
  generator: Generator,
  labels: ArrayLike<number>,
  sampling: SamplingOptions,
  model: TiTok,
  rng: Rng,
): Promise<Tensor> {
  const ids = await sample(generator, labels, sampling, drawsFrom(rng));
  return noGrad(() =>
    tidy(() => model.decodeTokens(tensor(ids, [labels.length, model.config.latentTokens], { dtype: 'int32' }))),
  );
}

/** A row of samples for every class. */
export async function writeSamples(
  path: string,
  session: Pick<Session, 'dataset' | 'seed'>,
  generator: Generator,
  sampling: SamplingOptions,
  model: TiTok,
  columns = 12,
): Promise<void> {
  const { classes } = session.dataset;
  const labels = Int32Array.from({ length: classes.length * columns }, (_, i) => Math.floor(i / columns));
  const images = await generate(generator, labels, sampling, model, new Rng(session.seed + 7));
  await writePng(path, imageGrid(await picturesOf(images), columns, { rowLabels: classes }));
  images.dispose();
}

/** Held-out images beside what each model makes of them, a row per model. */
export async function writeReconstructions(
  path: string,
  session: Session,
  models: Readonly<Record<string, (images: Tensor) => Tensor>>,
  columns = SHOWN,
): Promise<void> {
  const images = shownImages(session, columns);
  const all = noGrad(() => tidy(() => concat([images, ...Object.values(models).map((f) => tidy(() => f(images)))])));
  await writePng(path, imageGrid(await picturesOf(all), columns, { rowLabels: ['input', ...Object.keys(models)] }));
  images.dispose();
  all.dispose();
}

/** The same held-out images every time, spread over the set. */
function shownImages({ dataset }: Session, count: number): Tensor {
  const { validation, size } = dataset;
  const step = Math.floor(validation.count / count);
  const picked = Array.from({ length: count }, (_, i) => imagesOf(validation, size, i * step, 1));
  const all = tidy(() => concat(picked));
  for (const t of picked) t.dispose();
  return all;
}

const loader = (session: Session, batchSize: number, stream: number) =>
  batches(session.dataset.train, { batchSize, seed: 1000 * session.seed + stream, flip: flippable(session.dataset) });

/** Symbols hold letters, which a mirror would spoil. */
export const flippable =
  (dataset: ImageDataset) =>
  (label: number): boolean =>
    dataset.classes[label] !== 'Symbols';

async function run(
  session: Session,
  name: string,
  training: Training,
  settings: { readonly batchSize: number },
  stored: Json,
  reconstruct: ((images: Tensor) => Tensor) | null,
  pictures?: () => Promise<void>,
): Promise<LoopResult> {
  const result = await runTraining(training, {
    name,
    folder: session.folder,
    batchSize: settings.batchSize,
    settings: { ...(settings as unknown as Record<string, Json>), ...(stored as Record<string, Json>) },
    resume: session.resume,
    pictureEvery: session.pictureEvery,
    pictures:
      pictures ?? (() => writeReconstructions(join(session.folder, `${name}.png`), session, { [name]: reconstruct! })),
  });
  if (result.interrupted)
    throw new Interrupted(
      `${name}: stopped after ${training.done} of ${training.steps} updates; saved in ${result.checkpoint}. Go on with --resume.`,
    );
  return result;
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
