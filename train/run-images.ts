/** A run's images: loaded once, with the classes that are mirrored, and a record of what they are. */
import { DataError, OptionError } from '../core/index.ts';
import { type Dataset, filesAt } from '../data/index.ts';
import { loadDataset, withHeldOut } from './datasets.ts';
import { type Flip, mirroredClasses } from './flips.ts';
import { type DataSource, type Origin, originOf } from './origin.ts';
import type { RunFolder, SavedMeta } from './run-folder.ts';

/** The options of `openRun` that concern images. */
export interface ImageOptions {
  /**
   * Images to train on and to hold out; a function is called with the image size when a stage first needs them. Default: from
   * where the run's checkpoints say.
   */
  readonly dataset?: Dataset | ((imageSize: number) => Promise<Dataset>);
  /** Where `dataset` comes from, so that the run's later stages find it. */
  readonly source?: DataSource;
  /** Mirrors half of the training images, of all classes or of all but some. Default: those that the dataset says. */
  readonly flip?: Flip;
  /** Measures with at most so many held-out images, spread evenly over them. Default: all. */
  readonly heldOut?: number;
}

export class RunImages {
  readonly #folder: RunFolder;
  readonly #options: ImageOptions;
  readonly #seed: number;
  readonly #notify: (message: string) => void;
  #loaded: { readonly dataset: Dataset; readonly origin: Origin } | undefined;

  constructor(folder: RunFolder, options: ImageOptions, seed: number, notify: (message: string) => void) {
    this.#folder = folder;
    this.#options = options;
    this.#seed = seed;
    this.#notify = notify;
  }

  /** Whether they were given, rather than found where the run's checkpoints say. */
  get isGiven(): boolean {
    return this.#options.dataset !== undefined;
  }

  /** Pixels, where the images are loaded or given. */
  get givenSize(): number | undefined {
    const { dataset } = this.#options;
    return this.#loaded?.dataset.size ?? (typeof dataset === 'object' ? dataset.size : undefined);
  }

  /** Pixels, as far as it is known before they are loaded. */
  get size(): number | undefined {
    return this.givenSize ?? this.#folder.imageSize;
  }

  /** The images, and what is kept of them in checkpoints. @throws OptionError when the run has images of another size */
  async at(imageSize = this.size ?? 32): Promise<{ readonly dataset: Dataset; readonly origin: Origin }> {
    this.#loaded ??= await this.#load(imageSize);
    const { size } = this.#loaded.dataset;
    if (size === imageSize) return this.#loaded;
    throw new OptionError(
      `imageSize: expected the ${size} pixels of the run's dataset, got ${imageSize}. Load the images at ${imageSize} pixels, or set imageSize (teacher) and model.imageSize (warmup, single) to ${size}.`,
    );
  }

  async #load(imageSize: number) {
    const before = this.#folder.before();
    const stored = before?.origin?.data;
    const source = this.#options.source ?? (this.#options.dataset ? undefined : stored?.source);
    if (
      source &&
      source.path === stored?.source?.path &&
      source.path !== 'emoji' &&
      filesAt(source.path).length === 0
    ) {
      throw new DataError(
        `${source.path}: expected the images of the run ${this.#folder.folder}, got no such folder. Say where they are now with --data (dataset, in a program).`,
      );
    }
    const { dataset = source && ((size: number) => loadSource(source, size, this.#notify)) } = this.#options;
    if (!dataset) {
      throw new OptionError(`openRun('${this.#folder.folder}'): expected a dataset, got none. Pass { dataset }.`);
    }
    const all = typeof dataset === 'function' ? await dataset(imageSize) : dataset;
    const { train, validation, name } = all;
    if (train.count < 1 || validation.count < 2) {
      throw new DataError(
        `${name}: expected training images and at least 2 held-out ones, got ${train.count} and ${validation.count}.`,
      );
    }
    if (before && !stored) {
      this.#notify(
        `${this.#folder.folder}: saved by an earlier version, which kept neither seed nor images, so they cannot be compared.`,
      );
    }
    const mirrored = this.#mirrored(all, before);
    return {
      dataset: { ...withHeldOut(all, this.#options.heldOut), mirrored },
      origin: originOf(this.#seed, all, mirrored, source),
    };
  }

  /** The classes that are mirrored: as the options say, else as the run did so far, else as the dataset says. */
  #mirrored({ classes, mirrored }: Dataset, before: SavedMeta | undefined): readonly string[] {
    const { flip } = this.#options;
    if (flip !== undefined) return mirroredClasses(flip, classes);
    if (before) return before.origin?.data.mirrored ?? classes.filter((name) => name !== 'Symbols'); // as earlier versions did
    if (mirrored) return mirrored;
    this.#notify(
      "Training images are not mirrored. Where left and right do not matter, 'flip' (--flip, --no-flip-classes A,B) doubles their variety.",
    );
    return [];
  }
}

const loadSource = (
  { path, heldOut, classes, stream, shuffleBuffer, randomCrop, skipBroken = false }: DataSource,
  size: number,
  notify: (message: string) => void,
): Promise<Dataset> =>
  loadDataset(path, size, {
    stream,
    shuffleBuffer,
    randomCrop,
    skipBroken,
    notify,
    ...(heldOut !== undefined && { heldOutFraction: heldOut }),
    ...(classes !== undefined && { classes }),
  });
