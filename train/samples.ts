/** A run's generated pictures: shown class by class, and measured against real ones. */
import { noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import type { RgbImage } from '../data/browser.ts';
import { frechetDistance } from '../eval/index.ts';
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

/** Fréchet distance of as many samples as there are held-out images, with their classes. */
export async function evaluateSamples(
  run: RunContext,
  model: TrainedGenerator,
  tokenizer = run.pixelTokenizer(),
): Promise<{ fd: number }> {
  const statistics = new FeatureStatistics(run.trunk);
  const rng = new Rng(run.seed + 6);
  const { labels } = (await run.dataset(tokenizer.config.imageSize)).validation;
  for (let start = 0; start < labels.length; start += 64) {
    for await (const images of sampleImages(model, tokenizer, labels.subarray(start, start + 64), rng))
      await statistics.add(images);
  }
  return { fd: frechetDistance((await run.originals()).statistics, statistics.statistics) };
}

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
