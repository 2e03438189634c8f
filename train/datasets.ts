/** Datasets by name, and how they are used. */
import { DataError } from '../core/index.ts';
import { type ImageDataset, imageSet, loadEmoji, loadImageFolder } from '../data/index.ts';

/**
 * The dataset that --data names: 'emoji', or a folder of class folders; images come at `size` × `size` pixels.
 *
 * @throws DataError when there is too little to train on or to measure with
 */
export async function loadDataset(data: string, size: number): Promise<ImageDataset> {
  const dataset = data === 'emoji' ? await loadEmoji(size) : await loadImageFolder(data, size);
  const { train, validation } = dataset;
  if (train.count < 1 || validation.count < 2) {
    throw new DataError(
      `${data}: expected training images and at least 2 held-out ones, got ${train.count} and ${validation.count}. ` +
        `Add images (a tenth is held out, by file name), or split them into ${data}/train/CLASS and ${data}/val/CLASS.`,
    );
  }
  return dataset;
}

/** The dataset with at most `count` held-out images, spread evenly over them. */
export function withHeldOut(dataset: ImageDataset, count = Infinity): ImageDataset {
  const { validation, size } = dataset;
  if (validation.count <= count) return dataset;
  const each = 3 * size * size;
  const items = Array.from({ length: count }, (_, i) => {
    const at = Math.floor((i * validation.count) / count);
    const planes = validation.images.subarray(at * each, (at + 1) * each);
    return { planes, label: validation.labels[at], name: validation.names[at] };
  });
  return { ...dataset, validation: imageSet(items, size) };
}
