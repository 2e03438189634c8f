/** Whether samples show the class that they were asked for, by a probe that has learned the classes from real pictures. */
import { openDevice, setDefaultDevice } from '../../core/index.ts';
import { type ImageSet, type ImageStream, imageSet, toPlanes } from '../../data/index.ts';
import { balancedAccuracy, LinearProbe } from '../../eval/index.ts';
import { type GenerateOptions, generate, generator, openRun, type Run, statisticsOf } from '../../train/index.ts';

const dim = 96; // numbers in the pooled features, as in the Fréchet distance
const samples = 512;

/**
 * Mean over classes of the share of pictures that the probe puts into their class: of samples, and of held-out pictures.
 *
 * @param folder  of a run with a generator
 */
export async function probeRun(
  folder: string,
  options?: GenerateOptions,
): Promise<{ probe: number; probeReal: number }> {
  setDefaultDevice(await openDevice('cpu', { matmulPrecision: 'high' }));
  const run = await openRun(folder);
  const { train, validation, size } = await run.dataset();
  const { classes } = run.model(generator);
  const learned = await features(run, train);
  const probe = new LinearProbe(learned, { labels: train.labels, classes: classes.length, dim });
  const count = Math.ceil(samples / classes.length);
  const pictures = await generate(run, classes, { count, ...options });
  const items = pictures.map((picture, i) => ({
    planes: toPlanes(picture),
    label: Math.floor(i / count),
    name: String(i),
  }));
  const share = async (set: ImageSet) => balancedAccuracy(probe.predict(await features(run, set)), set.labels);
  return { probe: await share(imageSet(items, size)), probeReal: await share(validation) };
}

const features = async ({ trunk }: Run, set: ImageSet | ImageStream) => (await statisticsOf(trunk, set)).features;
