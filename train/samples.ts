/** A run's generated pictures: shown class by class, and measured against real ones. */
import { noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import { type ImageSet, type RgbImage, toUnit } from '../data/browser.ts';
import { ClassVariance } from '../eval/index.ts';
import { drawsFrom, type Generator, type SamplingOptions, sample } from '../maskgit/index.ts';
import type { MobileNetTrunk, TiTok } from '../titok/index.ts';
import { type FeatureDistances, FeatureStatistics, featureDistances, type OnImages } from './evaluate.ts';
import { imagesAtOnce, inParts, picturesOf } from './image-batches.ts';
import { planSheet } from './sheet.ts';
import type { RunContext } from './stage.ts';

/** A trained generator, the classes that it knows, and how to sample from it. */
export interface TrainedGenerator {
  readonly generator: Generator;
  readonly classes: readonly string[];
  readonly sampling: SamplingOptions;
}

/** Receives how much is done, and how much there is to do. */
export type OnProgress = (done: number, total: number) => void;

/** Images of freshly sampled tokens, one for each class index, in batches [n, 3, size, size], not clamped. */
export async function* sampleImages(
  { generator, sampling }: TrainedGenerator,
  tokenizer: TiTok,
  labels: ArrayLike<number>,
  rng: Rng,
  onProgress?: OnProgress,
): AsyncGenerator<Tensor, void> {
  const { imageSize, latentTokens } = tokenizer.config;
  let total = labels.length;
  const ids = await sample(generator, labels, sampling, drawsFrom(rng), {
    onProgress(done, all) {
      total = all + labels.length; // pictures to decode
      onProgress?.(done, total);
    },
  });
  const rows = Array.from({ length: labels.length }, (_, i) => i);
  for (const part of inParts(rows, imagesAtOnce(imageSize))) {
    const own = ids.subarray(part[0] * latentTokens, (part[part.length - 1] + 1) * latentTokens);
    const tokens = tensor(own, [part.length, latentTokens], { dtype: 'int32' });
    const images = noGrad(() => tidy(() => tokenizer.decodeTokens(tokens)));
    tokens.dispose();
    yield images;
    images.dispose();
    onProgress?.(total - labels.length + part[part.length - 1] + 1, total);
  }
}

/** Pictures of freshly sampled tokens, one for each class index. */
export async function samplePictures(
  model: TrainedGenerator,
  tokenizer: TiTok,
  labels: ArrayLike<number>,
  rng: Rng,
  onProgress?: OnProgress,
): Promise<RgbImage[]> {
  const pictures: RgbImage[] = [];
  for await (const images of sampleImages(model, tokenizer, labels, rng, onProgress))
    for (const picture of await picturesOf(images)) pictures.push(picture);
  return pictures;
}

/** What samples are measured with. */
export interface SampleMeasure {
  readonly trunk: MobileNetTrunk;
  /** Features of `set`. */
  readonly originals: FeatureStatistics;
  /** Real images of the generator's classes, which the samples are compared with. */
  readonly set: ImageSet;
  readonly rng: Rng;
  /** How many samples. Default: as many as there are real images. Their classes are as frequent as the real ones'. */
  readonly count?: number;
  readonly onImages?: OnImages;
}

/** Figures of samples. */
export interface SampleFigures extends FeatureDistances {
  /** How much samples of a class differ, as a share of how much the real images do. */
  readonly variety: number;
}

/** Samples with the classes of real images, compared with these. */
export async function measureSamples(
  model: TrainedGenerator,
  tokenizer: TiTok,
  { trunk, originals, set, rng, count = set.count, onImages }: SampleMeasure,
): Promise<{ readonly figures: SampleFigures; readonly features: FeatureStatistics; readonly labels: Int32Array }> {
  const features = new FeatureStatistics(trunk);
  const labels = Int32Array.from({ length: count }, (_, i) => set.labels[Math.floor((i * set.count) / count)]);
  const variance = { samples: new ClassVariance(), real: new ClassVariance() };
  variance.real.add(toUnit(set.images), set.labels);
  for (let start = 0; start < count; start += 64) {
    const part = labels.subarray(start, start + 64);
    let at = 0;
    for await (const images of sampleImages(model, tokenizer, part, rng)) {
      const own = part.subarray(at, at + images.shape[0]);
      await features.add(images);
      const shown = images.clamp(0, 1);
      variance.samples.add(await shown.data(), own);
      shown.dispose();
      await onImages?.(images);
      at += images.shape[0];
    }
  }
  const variety = variance.samples.value / variance.real.value;
  return { figures: { ...featureDistances(originals, features), variety }, features, labels };
}

/** Stream of random numbers of the samples that a run is measured with. */
export const sampleRng = (seed: number): Rng => new Rng(seed + 6);

/** Figures of as many samples as a run has held-out images, with their classes. */
export async function evaluateSamples(
  run: RunContext,
  model: TrainedGenerator,
  tokenizer = run.pixelTokenizer(),
): Promise<SampleFigures & Record<string, number>> {
  const { validation } = await run.dataset(tokenizer.config.imageSize);
  const measure = { trunk: run.trunk, originals: await run.originals(), set: validation, rng: sampleRng(run.seed) };
  const { figures } = await measureSamples(model, tokenizer, measure);
  if (figures.variety < leastVariety) {
    run.notify(
      `generator: the samples of a class are nearly alike (they differ ${(100 * figures.variety).toFixed(0)} % as much as pictures do). ` +
        'Sample with a lower --guidance-scale and a higher --randomize-temperature, or train with more --steps.',
    );
  }
  return { ...figures };
}

/** Preset smoke, after a minute, has 0.5. */
const leastVariety = 0.2;

const mostRows = 50; // more take minutes to sample, each time that a picture is due

/** Writes samples.png: a row of samples for every class, or for some that are spread over all. */
export async function drawSamples(run: RunContext, model: TrainedGenerator, columns = 12): Promise<void> {
  const tokenizer = run.pixelTokenizer();
  const { classes } = model;
  const some = spread(classes.length, mostRows);
  const names = some.map((label) => classes[label]);
  const sheet = planSheet(names, columns, tokenizer.config.imageSize);
  const labels = some.slice(0, sheet.rows).flatMap((label) => new Array<number>(sheet.each).fill(label));
  const pictures = await samplePictures(model, tokenizer, labels, new Rng(run.seed + 7));
  await run.drawSheet('samples.png', sheet, names, pictures);
}

/** At most `most` of the indices below `count`, at equal distances. */
export const spread = (count: number, most: number): number[] => {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => Math.floor((i * count) / shown));
};
