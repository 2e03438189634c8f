/** A run's generated pictures: shown class by class, and measured against real ones. */
import { Rng } from '../core/index.ts';
import { type RgbImage, toUnit } from '../data/browser.ts';
import { ClassVariance, frechetDistance } from '../eval/index.ts';
import { FeatureStatistics } from './evaluate.ts';
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

/** Figures of generated images. */
export interface SampleFigures {
  /** Fréchet distance to the held-out images. */
  readonly fd: number;
  /** How much samples of a class differ, as a share of how much the held-out images do. */
  readonly variety: number;
  /** Images drawn in a second, decoding included. */
  readonly samplesPerSecond: number;
  readonly [more: string]: number;
}

/** Measures as many samples as there are held-out images, with their classes. @param name  the stage's, for a warning */
export async function evaluateSamples(run: RunContext, name: string, sampler: Sampler): Promise<SampleFigures> {
  const statistics = new FeatureStatistics(run.trunk);
  const rng = new Rng(run.seed + 6);
  const { labels, images } = (await run.dataset(sampler.imageSize)).validation;
  const variance = { samples: new ClassVariance(), real: new ClassVariance() };
  variance.real.add(toUnit(images), labels);
  let seconds = 0;
  for (let start = 0; start < labels.length; start += 64) {
    const part = labels.subarray(start, start + 64);
    let at = 0;
    let begun = performance.now();
    for await (const images of sampler.draw(part, rng)) {
      const shown = images.clamp(0, 1);
      const values = await shown.data(); // computed by now, on every device
      seconds += (performance.now() - begun) / 1000;
      variance.samples.add(values, part.subarray(at, at + images.shape[0]));
      shown.dispose();
      await statistics.add(images);
      at += images.shape[0];
      begun = performance.now();
    }
  }
  const variety = variance.samples.value / variance.real.value;
  if (variety < leastVariety) {
    run.notify(
      `${name}: the samples of a class are nearly alike (they differ ${(100 * variety).toFixed(0)} % as much as pictures do). ` +
        alike(sampler),
    );
  }
  const fd = frechetDistance((await run.originals()).statistics, statistics.statistics);
  return { fd, variety, samplesPerSecond: labels.length / seconds };
}

const alike = ({ sampling }: Sampler): string =>
  'randomizeTemperature' in (sampling as object)
    ? 'Sample with a lower --guidance-scale and a higher --randomize-temperature, or train with more --steps.'
    : 'Sample with a lower --guidance-scale, or train with more --steps.';

/** Preset smoke, after a minute, has 0.5. */
const leastVariety = 0.2;

const mostRows = 50; // more take minutes to sample, each time that a picture is due

/** Writes a sheet with a row of samples for every class, or for some that are spread over all. */
export async function drawSamples(run: RunContext, file: string, sampler: Sampler, columns = 12): Promise<void> {
  const { classes } = sampler;
  const some = spread(classes.length, mostRows);
  const names = some.map((label) => classes[label]);
  const sheet = planSheet(names, columns, sampler.imageSize);
  const labels = some.slice(0, sheet.rows).flatMap((label) => new Array<number>(sheet.each).fill(label));
  const pictures = await samplePictures(sampler, labels, new Rng(run.seed + 7));
  await run.drawSheet(file, sheet, names, pictures);
}

/** At most `most` of the indices below `count`, at equal distances. */
export const spread = (count: number, most: number): number[] => {
  const shown = Math.min(count, most);
  return Array.from({ length: shown }, (_, i) => Math.floor((i * count) / shown));
};
