/** The images that a loader can draw, and the ids that a frozen network gives them: found once instead of at every draw. */
import { noGrad, type Tensor, tidy } from '../core/index.ts';
import { batchOf, type ImageDataset, type View } from '../data/index.ts';
import { flippable } from './datasets.ts';

const ENCODE_BATCH = 32;
const REPORT_MS = 5000;

/** Every training image, and its mirror image where the class allows it. */
export function viewsOf({ train, ...dataset }: ImageDataset): View[] {
  const mayFlip = flippable(dataset);
  return Array.from(train.labels, (label, index) =>
    [false, true].filter((mirrored) => !mirrored || mayFlip(label)).map((mirrored) => ({ index, mirrored })),
  ).flat();
}

/** The ids that `encode` gives for views, one row after another. Says how far it is where it takes long. */
export async function encodeViews(
  { train }: ImageDataset,
  views: readonly View[],
  encode: (images: Tensor) => Tensor,
): Promise<Int32Array> {
  let ids = new Int32Array();
  let said = performance.now();
  for (let start = 0; start < views.length; start += ENCODE_BATCH) {
    const batch = batchOf(train, views.slice(start, start + ENCODE_BATCH));
    const found = noGrad(() => tidy(() => encode(batch.images)));
    const width = found.size / batch.views.length;
    if (start === 0) ids = new Int32Array(views.length * width);
    ids.set(await found.data(), start * width);
    for (const t of [found, batch.images, batch.labels]) t.dispose();
    if (performance.now() - said < REPORT_MS) continue;
    said = performance.now();
    console.log(`encoding images: ${start + batch.views.length} of ${views.length}`);
  }
  return ids;
}
