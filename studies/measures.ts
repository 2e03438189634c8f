/** What is measured of a trained row. */
import { mean, noGrad, Rng, type Tensor, tidy } from '../core/index.ts';
import { type ImageSet, type ImageStream, viewBatches } from '../data/index.ts';
import { LinearProbe } from '../eval/index.ts';
import type { TiTok } from '../titok/index.ts';
import {
  FeatureClassifier,
  finetune,
  imagesAtOnce,
  measureRunSamples,
  type Run,
  type Sampler,
  samplePictures,
  single,
  spread,
  statisticsOf,
  warmup,
} from '../train/index.ts';
import type { Figures } from './figures.ts';
import { generatorParameters, reconstructorOf, samplerOf } from './models.ts';
import type { Row } from './row.ts';

/** Figures of a row's run. */
export type Measure = (run: Run, row: Row) => Promise<Figures>;

/** Held-out pictures through tokens and back. */
export const reconstruction: Measure = async (run, row) => {
  const { codebookSize, reconstruct } = reconstructorOf(run, row);
  const measured = await run.evaluateReconstruction(codebookSize, reconstruct);
  const { psnr, fd, ssim = null, codesUsed = null, perplexity = null } = measured;
  return { psnr, fd, ssim, codesUsed, perplexity };
};

const mostProbed = 3000; // training pictures that the probe learns from

/** How well a linear map tells the classes from the encoder's last hidden states, averaged over the latent tokens. */
export const latentProbe: Measure = async (run) => {
  const stage = [finetune, single, warmup].find((stage) => run.has(stage));
  if (!stage) return {};
  const model = run.model(stage);
  const { train, validation, classes } = await run.dataset();
  const dim = model.config.encoder.width;
  const chosen = spread(train.count, mostProbed);
  const labels = chosen.map((index) => train.labels[index]);
  const probe = new LinearProbe(await pooledLatents(model, train, chosen), { labels, classes: classes.length, dim });
  const held = await pooledLatents(model, validation, spread(validation.count, validation.count));
  return { probe: 100 * probe.accuracy(held, validation.labels) };
};

/** [indices, width]: the encoder's latent tokens before their projection to codes, averaged. */
async function pooledLatents(
  model: TiTok,
  set: ImageSet | ImageStream,
  indices: readonly number[],
): Promise<Float32Array> {
  const rows: number[] = [];
  const views = indices.map((index) => ({ index, mirrored: false }));
  for (const { images, labels } of viewBatches(set, views, Math.min(32, imagesAtOnce(set.size)))) {
    const pooled = noGrad(() => tidy(() => pool(model, images)));
    rows.push(...(await pooled.data()));
    for (const t of [pooled, images, labels]) t.dispose();
  }
  return Float32Array.from(rows);
}

function pool(model: TiTok, images: Tensor): Tensor {
  const seen: Tensor[] = [];
  model.encodeLatents(images, (name, x) => {
    if (name === 'enc.ln_post') seen.push(x); // [batch, K, width]
  });
  return mean(seen[0], 1);
}

/** Samples of the classes of the held-out pictures, and how fast they come. */
export const samples: Measure = async (run, row) => {
  const sampler = samplerOf(run, row);
  const { figures, features } = await measureRunSamples(run, row.name, sampler);
  const { fd, precision = null, recall = null, density = null, coverage = null, variety } = figures;
  return {
    sampleFd: fd,
    ...{ precision, recall, density, coverage },
    inceptionScore: (await classifierOf(run))?.inceptionScore(features) ?? null,
    ...{ variety, samplesPerSecond: await speedOf(sampler), parameters: generatorParameters(run) },
  };
};

const timed = 64; // pictures at once

/**
 * Samples a second of processor time, so that other work on the machine changes little: the median of three. They are of all
 * classes in turn, as those that FD is measured of: the first step of a class is computed once, however many pictures it has.
 */
async function speedOf(sampler: Sampler): Promise<number> {
  const labels = Int32Array.from({ length: timed }, (_, i) => i % sampler.classes.length);
  const seconds: number[] = [];
  for (let round = 0; round < 3; round++) {
    const before = process.cpuUsage();
    await samplePictures(sampler, labels, new Rng(round));
    const { user, system } = process.cpuUsage(before);
    seconds.push((user + system) / 1e6);
  }
  return timed / seconds.sort((a, b) => a - b)[1];
}

/** By the training images, which all rows of a study share. */
const classifiers = new WeakMap<ImageSet | ImageStream, FeatureClassifier>();

/** The classifier of the inception score; undefined for pictures without classes. */
async function classifierOf(run: Run): Promise<FeatureClassifier | undefined> {
  const { train, classes } = await run.dataset();
  if (classes.length < 2) return undefined;
  const classifier =
    classifiers.get(train) ?? new FeatureClassifier(await statisticsOf(run.trunk, train), train.labels, classes.length);
  classifiers.set(train, classifier);
  return classifier;
}

/** Training time of all stages of the row. */
export const time: Measure = async (run) => ({ seconds: run.secondsSpent });
