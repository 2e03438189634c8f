/** Datasets by name, and how they are used. */
import { DataError, expectOption, OptionError } from '../core/index.ts';
import {
  type Dataset,
  type EmojiClasses,
  type ImageFolderOptions,
  imageSet,
  loadEmoji,
  openImageFolder,
} from '../data/index.ts';

/** Options of `openImageFolder`, and the classes of the emoji. */
export interface DatasetOptions extends ImageFolderOptions {
  readonly classes?: EmojiClasses;
}

/**
 * The dataset that --data names: 'emoji', a folder of pictures or of data files, or a data file; images come at `size` × `size`
 * pixels. What is too large for memory is streamed.
 *
 * @throws DataError when there is too little to train on or to measure with; OptionError for a held-out fraction of the
 *   emoji, whose held-out concepts are fixed, or for `classes` of a folder
 */
export async function loadDataset(data: string, size: number, options: DatasetOptions = {}): Promise<Dataset> {
  const { classes, ...folder } = options;
  if (data !== 'emoji') {
    if (classes !== undefined) {
      throw new OptionError(
        `--classes: expected emoji (--data emoji), got ${data}. The classes of a folder are its subfolders.`,
      );
    }
    return checkedSplit(data, await openImageFolder(data, size, folder));
  }
  if (options.heldOutFraction !== undefined) {
    throw new OptionError(
      `--held-out: expected a folder of images (--data), got emoji. Which emoji are held out is fixed, by concept.`,
    );
  }
  if (options.stream || options.shuffleBuffer !== undefined) {
    throw new OptionError('--stream: expected a folder of images (--data), got emoji, which fit into memory.');
  }
  if (options.randomCrop) {
    throw new OptionError('--random-crop: expected a folder of images (--data), got emoji, which are square.');
  }
  return loadEmoji(size, undefined, classes);
}

function checkedSplit(data: string, dataset: Dataset): Dataset {
  const { train, validation } = dataset;
  if (train.count >= 1 && validation.count >= 2) return dataset;
  throw new DataError(
    `${data}: expected training images and at least 2 held-out ones, got ${train.count} and ${validation.count}. ` +
      'Add images: 3 are enough without a validation folder, as 2 or a tenth are then held out.',
  );
}

/**
 * The dataset with at most `count` held-out images, spread evenly over them; the others are counted as left out.
 *
 * @throws OptionError for fewer than 2, which have no covariance to measure with
 */
export function withHeldOut(dataset: Dataset, count = Infinity): Dataset {
  expectOption(count >= 2, 'heldOut', 'at least 2 images to measure with', count);
  const { validation, size, leftOut = [] } = dataset;
  if (validation.count <= count) return dataset;
  const each = 3 * size * size;
  const used = Array.from({ length: count }, (_, i) => Math.floor((i * validation.count) / count));
  const items = used.map((at) => {
    const planes = validation.images.subarray(at * each, (at + 1) * each);
    return { planes, label: validation.labels[at], name: validation.names[at] };
  });
  const inUse = new Set(used);
  const unused = validation.names.filter((_, i) => !inUse.has(i));
  const cap = {
    reason: `held out beyond the ${count} that the preset measures`,
    count: unused.length,
    examples: unused.slice(0, 10),
  };
  return { ...dataset, validation: imageSet(items, size), leftOut: [...leftOut, cap] };
}
