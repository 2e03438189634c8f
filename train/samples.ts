/** A run's generated pictures: shown class by class, and measured against real ones. */
import { Rng } from '../core/index.ts';
import { type ImageSet, type RgbImage, toUnit } from '../data/browser.ts';
import { ClassVariance } from '../eval/index.ts';
import type { MobileNetTrunk } from '../titok/index.ts';
import { type FeatureDistances, FeatureStatistics, featureDistances, type OnImages } from './evaluate.ts';
import { picturesOf } from './image-batches.ts';
import type { Sampler } from './sampler.ts';
import { planSheet } from './sheet.ts';
import type { RunContext } from './stage.ts';

/** Pictures, one for each class index; parameters as `Sampler.draw`. */
export async function samplePictures<S>(
  sampler: Sampler<S>,
  labels: ArrayLike<number>,
  rng: Rng,
  options: Parameters<Sampler<S>['draw']>[2] = {},
): Promise<RgbImage[]> {
  const pictures: RgbImage[] = [];
  for await (const images of sampler.draw(labels, rng, options))
    for (const picture of await picturesOf(images)) pictures.push(picture);
  return pictures;
}

/** What samples are measured with. */
export interface SampleMeasure {
  readonly trunk: MobileNetTrunk;
  /** Features of `set`. */
  readonly originals: FeatureStatistics;
  /** Real images of the sampler's classes, which the samples are compared with. */
  readonly set: ImageSet;
  readonly rng: Rng;
  /** How many samples. Default: as many as there are real images. Their classes are as frequent as the real ones'. */
  readonly count?: number;
  readonly onImages?: OnImages;
}

/** Figures of samples. */
export interface SampleFigures extends FeatureDistances {
  /** How much samples of a class differ, as a share of how much the real images do; NaN where no class has two of each. */
  readonly variety: number;
  /** Images drawn in a second, decoding included. */
  readonly samplesPerSecond: number;
}

/** What `measureSamples` returns. */
export interface MeasuredSamples {
  readonly figures: SampleFigures;
  /** Of the samples. */
  readonly features: FeatureStatistics;
  /** The class of each sample. */
  readonly labels: Int32Array;
}

/** Samples with the classes of real images, compared with these. */
export async function measureSamples(
  sampler: Sampler,
  { trunk, originals, set, rng, count = set.count, onImages }: SampleMeasure,
): Promise<MeasuredSamples> {
  const features = new FeatureStatistics(trunk);
  const labels = Int32Array.from({ length: count }, (_, i) => set.labels[Math.floor((i * set.count) / count)]);
  const variance = { samples: new ClassVariance(), real: new ClassVariance() };
  variance.real.add(toUnit(set.images), set.labels);
  let seconds = 0;
  for (let start = 0; start < count; start += 64) {
    const part = labels.subarray(start, start + 64);
    let at = 0;
    let begun = performance.now();
    for await (const images of sampler.draw(part, rng)) {
      const shown = images.clamp(0, 1);
      const values = await shown.data(); // computed by now, on every device
      seconds += (performance.now() - begun) / 1000;
      variance.samples.add(values, part.subarray(at, at + images.shape[0]));
      shown.dispose();
      await features.add(images);
      await onImages?.(images);
      at += images.shape[0];
      begun = performance.now();
    }
  }
  const variety = variance.samples.value / variance.real.value;
  const figures = { ...featureDistances(originals, features), variety, samplesPerSecond: count / seconds };
  return { figures, features, labels };
}

/** Stream of random numbers of the samples that a run is measured with. */
export const sampleRng = (seed: number): Rng => new Rng(seed + 6);

/** Figures of as many samples as a run has held-out images, with their classes. @param name  the stage's, for a warning */
export const evaluateSamples = async (
  run: RunContext,
  name: string,
  sampler: Sampler,
): Promise<SampleFigures & Record<string, number>> => ({ ...(await measureRunSamples(run, name, sampler)).figures });

/** `measureSamples` of as many samples as a run has held-out images, with their classes. @param name  for a warning */
export async function measureRunSamples(run: RunContext, name: string, sampler: Sampler): Promise<MeasuredSamples> {
  const { validation } = await run.dataset(sampler.imageSize);
  const measure = { trunk: run.trunk, originals: await run.originals(), set: validation, rng: sampleRng(run.seed) };
  const measured = await measureSamples(sampler, measure);
  const { variety } = measured.figures;
  if (variety < leastVariety) {
    run.notify(
      `${name}: the samples of a class are nearly alike (they differ ${(100 * variety).toFixed(0)} % as much as pictures do). ` +
        alike(sampler),
    );
  }
  return measured;
}

const alike = ({ sampling }: Sampler): string =>
  'randomizeTemperature' in (sampling as object)
    ? 'Sample with a lower --guidance-scale and a higher --randomize-temperature, or train with more --steps.'
    : 'Sample with a lower --guidance-scale, or train with more --steps.';

/** Preset smoke, after a minute, has 0.5. */
const leastVariety = 0.2;

const sheetColumns = 12;
const mostRows = 50; // more take minutes to sample, each time that a picture is due

/** Writes a sheet with a row of samples for every class, or for some that are spread over all. */
export async function drawSamples(run: RunContext, file: string, sampler: Sampler): Promise<void> {
  const { classes } = sampler;
  const some = spread(classes.length, mostRows);
  const names = some.map((label) => classes[label]);
  const sheet = planSheet(names, sheetColumns, sampler.imageSize);
  const labels = some.slice(0, sheet.rows).flatMap((label) => new Array<number>(sheet.each).fill(label));
  const pictures = await samplePictures(sampler, labels, new Rng(run.seed + 7));
  await run.drawSheet(file, sheet, names, pictures);
}

/** At most `most` of the indices below `count`, at equal distances. */
export const spread = (count: number, most: number): number[] => {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => Math.floor((i * count) / shown));
};
