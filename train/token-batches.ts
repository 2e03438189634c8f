/** The dataset as token rows: every image encoded once, and once mirrored, before the generator trains. */
import type { Tensor } from '../core/index.ts';
import type { ImageDataset } from '../data/browser.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { encodeViews, someViews } from './views.ts';

/** Token rows and classes in a seeded order whose position can be saved. */
export interface TokenSource {
  /** tokens batch·K ids, labels batch classes */
  next(): { tokens: Int32Array; labels: Int32Array };
  state: unknown;
}

/** Batches in shuffled order, epoch by epoch; the state is the generator and the place in the order. */
export class TokenBatches implements TokenSource {
  readonly #tokens: Int32Array;
  readonly #labels: Int32Array;
  readonly #rows: ShuffledRows;

  /** @param tokens  rows·K ids    @param labels  a class for each row */
  constructor(tokens: Int32Array, labels: Int32Array, batchSize: number, seed: number) {
    this.#tokens = tokens;
    this.#labels = labels;
    this.#rows = new ShuffledRows('token batches', labels.length, batchSize, seed);
  }

  /**
   * Encodes the training images, and their mirror images where the class allows it.
   *
   * @param encode  images [batch, 3, size, size] → ids [batch, K]
   * @param limit   rows that will be drawn in all: of more, a random part is encoded
   */
  static async encode(
    encode: (images: Tensor) => Tensor,
    dataset: ImageDataset,
    batchSize: number,
    seed: number,
    limit = Infinity,
    notify?: (message: string) => void,
  ): Promise<TokenBatches> {
    const { views, labels } = someViews(dataset, limit, seed);
    if (batchSize > labels.length)
      notify?.(`batchSize ${batchSize}: there are only ${labels.length} token rows, so a batch has these.`);
    const tokens = await encodeViews(dataset, views, encode, notify);
    return new TokenBatches(tokens, labels, batchSize, seed);
  }

  next(): { tokens: Int32Array; labels: Int32Array } {
    const rows = this.#rows.next();
    const k = this.#tokens.length / this.#labels.length;
    const tokens = new Int32Array(rows.length * k);
    rows.forEach((row, i) => {
      tokens.set(this.#tokens.subarray(row * k, (row + 1) * k), i * k);
    });
    return { tokens, labels: Int32Array.from(rows, (row) => this.#labels[row]) };
  }

  get state(): ShuffledRows['state'] {
    return this.#rows.state;
  }
  set state(saved: ShuffledRows['state']) {
    this.#rows.state = saved;
  }
}
