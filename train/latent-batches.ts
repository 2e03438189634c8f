/** The dataset as latents: every image encoded once, and once mirrored, before the diffusion model trains. */
import { type Tensor, tensor } from '../core/index.ts';
import type { ImageDataset } from '../data/browser.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { someViews, valuesOfViews } from './views.ts';

/** Latents and classes in a seeded order whose position can be saved. */
export interface LatentSource {
  /** latents [batch, channels, g, g], labels batch classes */
  next(): { latents: Tensor; labels: Int32Array };
  state: unknown;
}

/** Mean and standard deviation of each channel of latents. */
export interface LatentScale {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

/** Batches in shuffled order, epoch by epoch, whose channels have mean 0 and variance 1. */
export class LatentBatches implements LatentSource {
  readonly scale: LatentScale;
  readonly #latents: Float32Array;
  readonly #labels: Int32Array;
  readonly #rows: ShuffledRows;

  /** @param latents  rows·channels·g² numbers, which are scaled in place    @param labels  a class for each row */
  constructor(latents: Float32Array, labels: Int32Array, channels: number, batchSize: number, seed: number) {
    this.scale = standardizeChannels(latents, channels, latents.length / labels.length / channels);
    this.#latents = latents;
    this.#labels = labels;
    this.#rows = new ShuffledRows('latent batches', labels.length, batchSize, seed);
  }

  /** As `TokenBatches.encode`. @param encode  images [batch, 3, size, size] → latents [batch, channels, g, g] */
  static async encode(
    encode: (images: Tensor) => Tensor,
    channels: number,
    dataset: ImageDataset,
    batchSize: number,
    seed: number,
    limit = Infinity,
    notify?: (message: string) => void,
  ): Promise<LatentBatches> {
    const { views, labels } = someViews(dataset, limit, seed);
    if (batchSize > labels.length)
      notify?.(`batchSize ${batchSize}: there are only ${labels.length} images, so a batch has these.`);
    const latents = await valuesOfViews(dataset, views, encode, (count) => new Float32Array(count), notify);
    return new LatentBatches(latents, labels, channels, batchSize, seed);
  }

  next(): { latents: Tensor; labels: Int32Array } {
    const rows = this.#rows.next();
    const channels = this.scale.mean.length;
    const width = this.#latents.length / this.#labels.length;
    const latents = new Float32Array(rows.length * width);
    rows.forEach((row, i) => {
      latents.set(this.#latents.subarray(row * width, (row + 1) * width), i * width);
    });
    const side = Math.sqrt(width / channels);
    return {
      latents: tensor(latents, [rows.length, channels, side, side]),
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

/** Subtracts the mean of each channel and divides by its standard deviation, in place. */
function standardizeChannels(values: Float32Array, channels: number, places: number): LatentScale {
  const rows = values.length / channels / places;
  const [mean, std]: [number[], number[]] = [[], []];
  for (let c = 0; c < channels; c++) {
    let [sum, squares] = [0, 0];
    const each = (visit: (i: number) => void) => {
      for (let row = 0; row < rows; row++) for (let p = 0; p < places; p++) visit((row * channels + c) * places + p);
    };
    each((i) => {
      sum += values[i];
      squares += values[i] ** 2;
    });
    const n = rows * places;
    mean[c] = sum / n;
    std[c] = Math.sqrt(Math.max(squares / n - mean[c] ** 2, 1e-12)); // a channel that is always the same
    each((i) => {
      values[i] = (values[i] - mean[c]) / std[c];
    });
  }
  return { mean, std };
}
