/** Pictures that lie in data files, before they are a dataset: each with the name of its class and its split. */
import { relative } from 'node:path';
import { DataError } from '../core/index.ts';
import type { LabeledPicture, Layout } from './folder-layout.ts';
import type { LeftOutCounter } from './left-out.ts';
import type { Split } from './split.ts';
import type { PictureSource } from './squares.ts';

/** A picture in a data file. */
export interface Sample {
  readonly source: PictureSource;
  /** Unique in the dataset: by it, images are held out. */
  readonly name: string;
  /** undefined: the file says nothing about classes. */
  readonly className?: string;
  readonly split: Split;
}

/** What data files hold. */
export interface Samples {
  readonly samples: readonly Sample[];
  /** All classes in their order, when the files list them; default: those of the samples, sorted. */
  readonly classes?: readonly string[];
  readonly notes?: readonly string[];
}

/** A path below a folder, with '/' on every system. */
export const nameBelow = (folder: string, path: string): string => relative(folder, path).replaceAll('\\', '/');

/**
 * Samples as a dataset. A validation split is held out, or else a test split; of a single split, some pictures are.
 *
 * @param path  for errors
 * @param name  of the dataset: samples without classes are a class of this name
 * @throws DataError without samples
 */
export function layoutOfSamples(path: string, name: string, found: Samples, leftOut: LeftOutCounter): Layout {
  const bySplit = (split: Split) => found.samples.filter((sample) => sample.split === split);
  const splits = (['train', 'validation', 'test'] as const).filter((split) => bySplit(split).length > 0);
  if (splits.length === 0) throw new DataError(`${path}: expected pictures, got none.`);
  const [first, chosen, ...others] = splits.map((split) => ({ split, samples: bySplit(split) }));
  for (const { split, samples } of others)
    leftOut.add(`of the split ${split} beside ${chosen.split}`, samples[0].name, samples.length);

  const present = new Set(first.samples.map(({ className = name }) => className));
  const classes = found.classes?.filter((one) => present.has(one)) ?? [...present].sort(byNumberOrName);
  const labels = new Map(classes.map((one, label) => [one, label]));
  const labeled = (samples: readonly Sample[]): LabeledPicture[] =>
    samples.flatMap(({ source, name: own, className = name }) => {
      const label = labels.get(className);
      if (label !== undefined) return [{ source, name: own, key: own, label }];
      leftOut.add('of classes without training pictures', `${own} (${className})`);
      return [];
    });
  const absent = found.classes?.filter((one) => !present.has(one)) ?? [];
  const isTest = chosen?.split === 'test' ? ['no validation split: test is held out'] : [];
  const unlabeled = first.samples.every(({ className }) => className === undefined);
  return {
    classes,
    pictures: labeled(first.samples),
    ...(chosen && { heldOut: { name: `the split ${chosen.split}`, pictures: labeled(chosen.samples) } }),
    notes: [
      ...(found.notes ?? []),
      ...(unlabeled ? [`no classes: all images are of one class, '${name}'`] : []),
      ...(absent.length > 0
        ? [
            `without pictures: ${absent.length} classes (${absent.slice(0, 3).join(', ')}${absent.length > 3 ? ', …' : ''})`,
          ]
        : []),
      ...isTest,
    ],
  };
}

/** '2' in front of '10', as numbers; other names as they are. */
function byNumberOrName(a: string, b: string): number {
  const numbers = /^\d+$/.test(a) && /^\d+$/.test(b) ? Number(a) - Number(b) : 0;
  return numbers || (a < b ? -1 : 1);
}
