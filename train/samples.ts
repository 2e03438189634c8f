/** A run's generated pictures: shown class by class, and measured against real ones. */
import { noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import { type RgbImage, toUnit } from '../data/browser.ts';
import { ClassVariance, frechetDistance } from '../eval/index.ts';
import { drawsFrom, type Generator, type SamplingOptions, sample } from '../maskgit/index.ts';
import type { TiTok } from '../titok/index.ts';
import { FeatureStatistics } from './evaluate.ts';
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

/**
 * Images of freshly sampled tokens, one for each class index, in batches [n, 3, size, size], not clamped.
 *
 * @param batchSize  how many are computed at once, at most; they do not depend on it. Default: as many as fit into some 1 GiB
 */
export async function* sampleImages(
  { generator, sampling }: TrainedGenerator,
  tokenizer: TiTok,
  labels: ArrayLike<number>,
  rng: Rng,
  onProgress?: OnProgress,
  batchSize?: number,
): AsyncGenerator<Tensor, void> {
  const { imageSize, latentTokens } = tokenizer.config;
  let total = labels.length;
  const ids = await sample(generator, labels, sampling, drawsFrom(rng), {
    ...(batchSize !== undefined && { rowsAtOnce: batchSize }),
    onProgress(done, all) {
      total = all + labels.length; // pictures to decode
      onProgress?.(done, total);
    },
  });
  const rows = Array.from({ length: labels.length }, (_, i) => i);
  for (const part of inParts(rows, Math.min(batchSize ?? Number.POSITIVE_INFINITY, imagesAtOnce(imageSize)))) {
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
  batchSize?: number,
): Promise<RgbImage[]> {
  const pictures: RgbImage[] = [];
  for await (const images of sampleImages(model, tokenizer, labels, rng, onProgress, batchSize))
    for (const picture of await picturesOf(images)) pictures.push(picture);
  return pictures;
}

/**
 * As many samples as there are held-out images, with their classes.
 *
 *   fd       their Fréchet distance to the held-out images
 *   variety  how much samples of a class differ, as a share of how much the held-out images do
 */
export async function evaluateSamples(
  run: RunContext,
  model: TrainedGenerator,
  tokenizer = run.pixelTokenizer(),
): Promise<{ fd: number; variety: number }> {
  const statistics = new FeatureStatistics(run.trunk);
  const rng = new Rng(run.seed + 6);
  const { labels, images } = (await run.dataset(tokenizer.config.imageSize)).validation;
  const variance = { samples: new ClassVariance(), real: new ClassVariance() };
  variance.real.add(toUnit(images), labels);
  for (let start = 0; start < labels.length; start += 64) {
    const part = labels.subarray(start, start + 64);
    let at = 0;
    for await (const images of sampleImages(model, tokenizer, part, rng)) {
      await statistics.add(images);
      const shown = images.clamp(0, 1);
      variance.samples.add(await shown.data(), part.subarray(at, at + images.shape[0]));
      shown.dispose();
      at += images.shape[0];
    }
  }
  const variety = variance.samples.value / variance.real.value;
  if (variety < leastVariety) {
    run.notify(
      `generator: the samples of a class are nearly alike (they differ ${(100 * variety).toFixed(0)} % as much as pictures do). ` +
        'Sample with a lower --guidance-scale and a higher --randomize-temperature, or train with more --steps.',
    );
  }
  return { fd: frechetDistance((await run.originals()).statistics, statistics.statistics), variety };
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
