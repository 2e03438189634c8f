/** The views of images that a loader can draw, and the values that a frozen network gives them: found once, not at every draw. */
import { noGrad, Rng, type Tensor, tidy } from '../core/index.ts';
import { type Dataset, type ImageList, type View, viewBatches } from '../data/browser.ts';
import { flippable } from './flips.ts';
import { imagesAtOnce } from './image-batches.ts';

const notifyMs = 5000;

/** Every training image, and its mirror image where the class allows it. */
export function viewsOf({ train, ...dataset }: Dataset): View[] {
  const mayFlip = flippable(dataset);
  return Array.from(train.labels, (label, index) =>
    [false, true].filter((mirrored) => !mirrored || mayFlip(label)).map((mirrored) => ({ index, mirrored })),
  ).flat();
}

/** Numbers of a random part of `count` rows with at most `limit` of them, in their order. */
export const someRows = (count: number, limit: number, seed: number): Int32Array =>
  new Rng(seed).permutation(count).subarray(0, limit).sort();

/** A random part of all views with at most `limit` of them, in their order, and their classes. */
export function someViews(dataset: Dataset, limit: number, seed: number): { views: View[]; labels: Int32Array } {
  const all = viewsOf(dataset);
  const views = Array.from(someRows(all.length, limit, seed), (i) => all[i]);
  return { views, labels: Int32Array.from(views, ({ index }) => dataset.train.labels[index]) };
}

/** At most `most` images of a set, spread over it: the same every time. */
export function spreadViews(set: Pick<ImageList, 'count'>, most: number): View[] {
  const shown = Math.min(most, set.count);
  const whole = Math.floor(set.count / shown);
  const step = whole * shown > 0.9 * set.count ? whole : set.count / shown; // whole steps may end long before the last class
  return Array.from({ length: shown }, (_, i) => ({ index: Math.floor(i * step), mirrored: false }));
}

/**
 * The ids that `encode` gives each view, row after row.
 *
 * @param notify  receives a message every few seconds
 */
export const encodeViews = (
  dataset: Dataset,
  views: readonly View[],
  encode: (images: Tensor) => Tensor,
  notify?: (message: string) => void,
): Promise<Int32Array> => valuesOfViews(dataset, views, encode, (count) => new Int32Array(count), notify);

/** As `encodeViews`, for values of any kind. @param create  an array of that many */
export async function valuesOfViews<Values extends Int32Array | Float32Array>(
  { train }: Dataset,
  views: readonly View[],
  encode: (images: Tensor) => Tensor,
  create: (count: number) => Values,
  notify: (message: string) => void = () => {},
): Promise<Values> {
  const batchSize = Math.min(32, imagesAtOnce(train.size));
  let values = create(0);
  let notified = performance.now();
  let start = 0;
  for (const batch of viewBatches(train, views, batchSize)) {
    const found = noGrad(() => tidy(() => encode(batch.images)));
    const width = found.size / batch.views.length;
    if (start === 0) values = create(views.length * width);
    values.set(await found.data(), start * width);
    for (const t of [found, batch.images, batch.labels]) t.dispose();
    start += batch.views.length;
    if (performance.now() - notified < notifyMs) continue;
    notified = performance.now();
    notify(`encoding images: ${start} of ${views.length}`);
  }
  return values;
}
