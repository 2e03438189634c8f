/** The dataset as latents: every image encoded once, and once mirrored, before the diffusion model trains. */
import { DataError, firstNonFiniteIndex, type Tensor, tensor } from '../core/index.ts';
import type { Dataset } from '../data/browser.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { someViews, valuesOfViews } from './views.ts';

/** Latents and classes in a seeded order whose position can be saved. */
export interface LatentSource {
  /** latents [batch, channels, g, g], labels batch classes */
  next(): { latents: Tensor; labels: Int32Array };
  state: unknown;
}

/** Batches in shuffled order, epoch by epoch, scaled to variance 1 over all values unless a factor is given. */
export class LatentBatches implements LatentSource {
  /** What latents were multiplied by: 1 / their standard deviation, or the factor that was given. */
  readonly scale: number;
  readonly #channels: number;
  readonly #latents: Float32Array;
  readonly #labels: Int32Array;
  readonly #rows: ShuffledRows;

  /**
   * @param latents  rows·channels·g² numbers, which are scaled in place
   * @param labels   a class for each row
   * @param scale    the factor of an earlier session, whose model knows latents of that size
   * @throws DataError for another number of them, or one that is NaN or infinite; OptionError unless the batch size is a whole
   *   number ≥ 1
   */
  constructor(
    latents: Float32Array,
    labels: Int32Array,
    channels: number,
    batchSize: number,
    seed: number,
    scale?: number,
  ) {
    const side = Math.sqrt(latents.length / labels.length / channels);
    if (latents.length > 0 && !Number.isInteger(side))
      throw new DataError(
        `latent batches: expected rows·${channels}·g² numbers for ${labels.length} labels, got ${latents.length}.`,
      );
    const bad = firstNonFiniteIndex(latents);
    if (bad >= 0)
      throw new DataError(`latent batches: expected finite latents, got ${latents[bad]} at position ${bad}.`);
    this.scale = scale ?? unitVarianceScale(latents);
    for (let i = 0; i < latents.length; i++) latents[i] *= this.scale;
    this.#channels = channels;
    this.#latents = latents;
    this.#labels = labels;
    this.#rows = new ShuffledRows('latent batches', labels.length, batchSize, seed);
  }

  /** As `TokenBatches.encode`. @param encode  images [batch, 3, size, size] → latents [batch, channels, g, g] */
  static async encode(
    encode: (images: Tensor) => Tensor,
    channels: number,
    dataset: Dataset,
    batchSize: number,
    seed: number,
    limit = Infinity,
    notify?: (message: string) => void,
    scale?: number,
  ): Promise<LatentBatches> {
    const { views, labels } = someViews(dataset, limit, seed);
    if (batchSize > labels.length)
      notify?.(`batchSize ${batchSize}: there are only ${labels.length} images, so a batch has these.`);
    const latents = await valuesOfViews(dataset, views, encode, (count) => new Float32Array(count), notify);
    return new LatentBatches(latents, labels, channels, batchSize, seed, scale);
  }

  next(): { latents: Tensor; labels: Int32Array } {
    const rows = this.#rows.next();
    const width = this.#latents.length / this.#labels.length;
    const latents = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      latents.set(this.#latents.subarray(row * width, (row + 1) * width), i * width);
    });
    const side = Math.sqrt(width / this.#channels);
    return {
      latents: tensor(latents, [rows.length, this.#channels, side, side]),
      labels: Int32Array.from(rows, (row) => this.#labels[row]),
    };
  }

  get state(): ShuffledRows['state'] {
    return this.#rows.state;
  }
  set state(saved: ShuffledRows['state']) {
    this.#rows.state = saved;
  }
}

/**
 * 1 / the standard deviation of all values. One factor for all channels: those that vary most, which hold colors and large
 * shapes, then stand out from the noise first.
 */
function unitVarianceScale(values: Float32Array): number {
  let [sum, squares] = [0, 0];
  for (const x of values) {
    sum += x;
    squares += x * x;
  }
  const variance = squares / values.length - (sum / values.length) ** 2;
  return variance > 0 ? 1 / Math.sqrt(variance) : 1; // images that are all alike have none
}
