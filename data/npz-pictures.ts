/** Pictures and labels in an .npz file of NumPy, by the names that public tools give to arrays. */
import { DataError } from '../core/index.ts';
import { toRgb } from './idx.ts';
import { type NpzArray, readNpz } from './npz.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import type { Split } from './split.ts';

/** Of guided-diffusion's samples, plain ones, Keras's (mnist.npz) and MedMNIST's. */
const known: readonly [images: string, labels: string, split: Split][] = [
  ['arr_0', 'arr_1', 'train'],
  ['images', 'labels', 'train'],
  ['x_train', 'y_train', 'train'],
  ['x_test', 'y_test', 'test'],
  ['train_images', 'train_labels', 'train'],
  ['val_images', 'val_labels', 'validation'],
  ['test_images', 'test_labels', 'test'],
];

/**
 * Reads the pictures of .npz files: uint8 [count, height, width, 3] or [count, height, width], with labels [count].
 *
 * @throws DataError for arrays of other names, types or shapes
 */
export function readNpzSamples(paths: readonly string[], root: string): Samples {
  const samples = paths.flatMap((path) => {
    const arrays = readNpz(
      path,
      known.flatMap(([...names]) => names.slice(0, 2)),
    );
    const parts = known.filter(([images]) => arrays[images]);
    if (parts.length === 0) {
      const names = known.map(([images]) => images).join(', ');
      throw new DataError(`${path}: expected pictures in an array of the name ${names}, got none of these.`);
    }
    const name = nameBelow(root, path);
    return parts.flatMap(([images, labels, split]) => {
      const { data, shape } = picturesIn(arrays[images], `${path}, ${images}`);
      const [count, height, width] = shape;
      const classes = arrays[labels] && labelsIn(arrays[labels], count, `${path}, ${labels}`);
      const each = data.length / Math.max(1, count);
      return Array.from(
        { length: count },
        (_, i): Sample => ({
          source: () => toRgb(data.subarray(i * each, (i + 1) * each), width, height),
          name: `${name}/${images}#${i}`,
          ...(classes && { className: classes[i] }),
          split,
        }),
      );
    });
  });
  return { samples };
}

function picturesIn({ data, shape }: NpzArray, where: string): { data: Uint8Array; shape: readonly number[] } {
  if (
    data instanceof Uint8Array &&
    (shape.length === 3 || (shape.length === 4 && (shape[3] === 3 || shape[3] === 1))) &&
    shape[1] * shape[2] > 0
  ) {
    return { data, shape };
  }
  const type = data.constructor.name.replace('Array', '').toLowerCase();
  throw new DataError(
    `${where}: expected [count, height, width, 3] or [count, height, width] of uint8, got [${shape.join(', ')}] of ${type}.`,
  );
}

/** Whole numbers as they are, for names of classes. */
function labelsIn({ data, shape }: NpzArray, count: number, where: string): string[] {
  const labels = Array.from(data as ArrayLike<number | bigint>, String);
  const bad = labels.find((label) => !/^\d{1,9}$/.test(label));
  if (labels.length === count && bad === undefined) return labels;
  throw new DataError(
    `${where}: expected ${count} whole numbers from 0, got ${bad === undefined ? `shape [${shape.join(', ')}]` : bad}.`,
  );
}
