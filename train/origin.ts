/** What a run is made from, its images and its seed: kept in every checkpoint, the default of later stages, and compared. */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { CheckpointError, OptionError } from '../core/index.ts';
import { type Dataset, type ImageSet, type ImageStream, isStream } from '../data/index.ts';

const set = z.strictObject({ count: z.int().min(0), fingerprint: z.string(), streamed: z.literal(true).optional() });

/** Schema of `Origin`. */
export const originSchema = z.strictObject({
  seed: z.int().min(0),
  data: z.strictObject({
    source: z
      .strictObject({
        path: z.string(),
        heldOut: z.number().gt(0).lt(1).optional(),
        classes: z.enum(['groups', 'subgroups']).optional(),
        stream: z.boolean().optional(),
        shuffleBuffer: z.int().min(1).optional(),
        randomCrop: z.boolean().optional(),
        skipBroken: z.boolean().optional(),
      })
      .optional(),
    /** It learned from a file of tokens, whose rows `train` counts. */
    tokens: z.literal(true).optional(),
    classes: z.array(z.string()),
    imageSize: z.int().min(1),
    train: set,
    heldOut: set,
    mirrored: z.array(z.string()),
  }),
});

/** Seed and images, or token rows, of a training. */
export type Origin = z.output<typeof originSchema>;
/** Where images come from: 'emoji' and the kind of their classes, or a folder and how it is read. */
export type DataSource = NonNullable<Origin['data']['source']>;

/** @param mirrored  the classes that are mirrored in training */
export function originOf(
  seed: number,
  { classes, size, train, validation }: Dataset,
  mirrored: readonly string[],
  source?: DataSource,
): Origin {
  return {
    seed,
    data: {
      ...(source && { source }),
      classes: [...classes],
      imageSize: size,
      train: recordOf(train),
      heldOut: recordOf(validation),
      mirrored: [...mirrored],
    },
  };
}

/** 16 hex digits from names, labels and pixels, in their order; of a stream from places in files in place of pixels. */
function recordOf(set: ImageSet | ImageStream): Origin['data']['train'] {
  const { count, names, labels } = set;
  if (isStream(set)) return { count, fingerprint: set.fingerprint, streamed: true };
  const { images } = set;
  const hash = createHash('sha256').update(JSON.stringify([names, Array.from(labels)]));
  for (let at = 0; at < images.length; at += 2 ** 30) hash.update(images.subarray(at, at + 2 ** 30)); // its limit is 2 GiB
  return { count, fingerprint: hash.digest('hex').slice(0, 16) };
}

const advice = (what: string, option: string) =>
  `Give the ${what} that it was trained on (${option}), or start a new run (--name).`;

/** @throws OptionError for another seed */
export function expectSeed(stored: Origin, seed: number, source: string): void {
  if (stored.seed === seed) return;
  throw new OptionError(
    `seed: expected ${stored.seed}, as in ${source}, got ${seed}. Leave the seed out, or start a new run (--name).`,
  );
}

/**
 * Compares what a stage is about to use with what a checkpoint of the run was made from.
 *
 * @param source  'checkpoint runs/mine/teacher.safetensors'
 * @throws CheckpointError for other images or classes, OptionError for another seed or other mirrored classes
 */
export function expectOrigin(stored: Origin, now: Origin, source: string): void {
  expectSeed(stored, now.seed, source);
  expectImages(stored, now, source);
  const [before, after] = [stored.data.mirrored, now.data.mirrored];
  if (equal(before, after)) return;
  const shown = (classes: readonly string[]) => (classes.length > 0 ? listed(classes) : 'no class');
  throw new OptionError(
    `flip: expected mirrored images of ${shown(before)}, as in ${source}, got ${shown(after)}. ` +
      'Leave the options on mirroring out, or start a new run (--name).',
  );
}

/** Where the images lie does not matter. @throws CheckpointError for other images or classes */
export function expectImages(stored: Origin, now: Origin, source: string): void {
  const [before, data] = [stored.data, now.data];
  const from = data.source ? ` from ${data.source.path}` : '';
  const repair = before.tokens ? advice('file of tokens', '--tokens-file') : advice('images', '--data');
  const fail = (expected: string, got: string) => {
    throw new CheckpointError(`${source}: expected ${expected}, got ${got}${from}. ${repair}`);
  };
  const kinds = ['images', 'a file of tokens'];
  if (before.tokens !== data.tokens) fail(...((before.tokens ? kinds.reverse() : kinds) as [string, string]));
  if (before.imageSize !== data.imageSize) {
    fail(`images of ${before.imageSize}×${before.imageSize} pixels`, `${data.imageSize}×${data.imageSize}`);
  }
  if (!equal(before.classes, data.classes)) {
    fail(`the classes ${listed(before.classes)}`, listed(data.classes));
  }
  for (const [part, name] of [
    ['train', before.tokens ? 'token rows' : 'training images'],
    ['heldOut', 'held-out images'],
  ] as const) {
    if (before[part].count !== data[part].count) {
      fail(`${before[part].count} ${name}`, String(data[part].count));
    }
    if (before[part].streamed !== data[part].streamed) {
      const told = (streamed?: boolean) => (streamed ? 'streamed images' : 'images in memory');
      throw new CheckpointError(
        `${source}: expected ${told(before[part].streamed)}, got ${told(data[part].streamed)}${from}, which cannot be compared. ` +
          `${before[part].streamed ? 'Give' : 'Leave out'} --stream, or start a new run (--name).`,
      );
    }
    if (before[part].fingerprint !== data[part].fingerprint) {
      const others = before.tokens ? 'as many others' : 'as many with other names, labels or pixels';
      fail(`the ${before[part].count} ${name} of its training`, others);
    }
  }
}

/** The first of many names. */
const listed = (names: readonly string[]): string =>
  names.length <= 12 ? names.join(', ') : `${names.slice(0, 8).join(', ')}, … (${names.length})`;

const equal = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((name, i) => name === b[i]);
