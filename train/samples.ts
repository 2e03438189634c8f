/** Pictures that a generator makes, and how far they are from real ones. */
import { noGrad, Rng, type Tensor, tensor, tidy } from '../core/index.ts';
import { imageGrid, writePng } from '../data/index.ts';
import { frechetDistance } from '../eval/index.ts';
import { drawsFrom, type Generator, type SamplingOptions, sample } from '../maskgit/index.ts';
import type { TiTok } from '../titok/index.ts';
import { FeatureStatistics } from './evaluate.ts';
import { picturesOf } from './pictures.ts';
import type { Session } from './stages.ts';

/** As many samples as there are held-out images, with their classes. */
export async function evaluateSamples(
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
