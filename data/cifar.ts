/**
 * CIFAR-10 and CIFAR-100 in their binary form: rows of labels and the planes of a picture of 32 × 32.
 *
 *   CIFAR-10    data_batch_1.bin … data_batch_5.bin  test_batch.bin  batches.meta.txt         1 + 3072 bytes a row
 *   CIFAR-100   train.bin  test.bin  fine_label_names.txt  coarse_label_names.txt             coarse, fine, 3072 bytes
 *
 * @see Krizhevsky 2009; https://www.cs.toronto.edu/~kriz/cifar.html
 */
import { closeSync, existsSync, openSync, readFileSync, readSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DataError } from '../core/index.ts';
import { dataBytes } from './data-bytes.ts';
import { fromPlanes } from './pixels.ts';
import { nameBelow, type Sample, type Samples } from './samples.ts';
import { splitOf } from './split.ts';

const side = 32;
const pictureBytes = 3 * side * side;
const forms = [
  { labels: 1, classes: 10, names: 'batches.meta.txt' },
  { labels: 2, classes: 100, names: 'fine_label_names.txt' },
] as const;
type Form = (typeof forms)[number];

/** The form of a file. It has no magic number: its size, and the labels of its first rows, must fit. */
function formOf(path: string): Form | undefined {
  const { size } = statSync(path);
  return forms.find(({ labels, classes }) => {
    const row = labels + pictureBytes;
    if (size === 0 || size % row !== 0) return false;
    const file = openSync(path, 'r');
    try {
      const bytes = new Uint8Array(labels);
      for (let i = 0; i < Math.min(16, size / row); i++) {
        readSync(file, bytes, 0, labels, i * row);
        if (bytes[labels - 1] >= classes || (labels === 2 && bytes[0] >= 20)) return false;
      }
      return true;
    } finally {
      closeSync(file);
    }
  });
}

/** Whether a file is of CIFAR's binary form. */
export const isCifar = (path: string): boolean => path.endsWith('.bin') && formOf(path) !== undefined;

/**
 * Reads files of one form; the names of the classes stand in a file beside them.
 *
 * @throws DataError for files of both forms, or a label out of range
 */
export function readCifar(paths: readonly string[], root: string): Samples {
  const [form, ...others] = new Set(paths.map(formOf));
  if (!form || others.length > 0) throw new DataError(`${root}: expected files of CIFAR-10 or CIFAR-100, got both.`);
  const classes = classNames(join(dirname(paths[0]), form.names), form);
  const row = form.labels + pictureBytes;
  const samples = paths.flatMap((path) => {
    const bytes = dataBytes(path);
    const name = nameBelow(root, path);
    const split = splitOf(name);
    return Array.from({ length: bytes.length / row }, (_, i): Sample => {
      const from = i * row + form.labels;
      const label = bytes[from - 1];
      if (label >= form.classes) {
        throw new DataError(
          `${path}: expected labels in 0..${form.classes - 1}, got ${label} in row ${i}. Download it again.`,
        );
      }
      const planes = bytes.subarray(from, from + pictureBytes);
      return {
        source: () => fromPlanes(planes, side, side),
        name: `${name}#${i}`,
        className: classes[label],
        split,
      };
    });
  });
  return { samples, classes };
}

/** A name for each class; numbers without a file of names. */
function classNames(path: string, { classes }: Form): readonly string[] {
  const numbers = Array.from({ length: classes }, (_, i) => String(i));
  if (!existsSync(path)) return numbers;
  const names = readFileSync(path, 'utf8').split(/\r?\n/).map((line) => line.trim()).filter(Boolean); // biome-ignore format: one thought
  if (new Set(names).size === classes) return names;
  throw new DataError(`${path}: expected ${classes} names of classes, a line each, got ${names.length}.`);
}
