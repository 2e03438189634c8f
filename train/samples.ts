/** A run's generated pictures: shown class by class, and measured against real ones. */
import { noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import { frechetDistance } from '../eval/index.ts';
import { drawsFrom, type Generator, type SamplingOptions, sample } from '../maskgit/index.ts';
import type { TiTok } from '../titok/index.ts';
import { FeatureStatistics } from './evaluate.ts';
import type { RunContext } from './stage.ts';

/** A trained generator, the classes that it knows, and how to sample from it. */
export interface TrainedGenerator {
  readonly generator: Generator;
  readonly classes: readonly string[];
  readonly sampling: SamplingOptions;
}

/** Images of freshly sampled tokens, one for each class index: [labels, 3, size, size], not clamped. */
export async function sampleImages(
  { generator, sampling }: TrainedGenerator,
  tokenizer: TiTok,
  labels: ArrayLike<number>,
  rng: Rng,
): Promise<Tensor> {
  const ids = await sample(generator, labels, sampling, drawsFrom(rng));
  const shape = [labels.length, tokenizer.config.latentTokens];
  return noGrad(() => tidy(() => tokenizer.decodeTokens(tensor(ids, shape, { dtype: 'int32' }))));
}

/** Fréchet distance of as many samples as there are held-out images, with their classes. */
export async function evaluateSamples(run: RunContext, model: TrainedGenerator): Promise<{ fd: number }> {
  const statistics = new FeatureStatistics(run.trunk);
  const rng = new Rng(run.seed + 6);
  const tokenizer = run.pixelTokenizer();
  const { labels } = (await run.dataset(tokenizer.config.imageSize)).validation;
  for (let start = 0; start < labels.length; start += 64) {
    const images = await sampleImages(model, tokenizer, labels.subarray(start, start + 64), rng);
    await statistics.add(images);
    images.dispose();
  }
  return { fd: frechetDistance((await run.originals()).statistics, statistics.statistics) };
}

/** Writes samples.png: a row of samples for every class. */
export async function drawSamples(run: RunContext, model: TrainedGenerator, columns = 12): Promise<void> {
  const { classes } = model;
  const labels = Int32Array.from({ length: classes.length * columns }, (_, i) => Math.floor(i / columns));
  const images = await sampleImages(model, run.pixelTokenizer(), labels, new Rng(run.seed + 7));
  await run.drawGrid('samples.png', images, columns, classes);
  images.dispose();
}
