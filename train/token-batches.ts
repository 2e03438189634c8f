/** The dataset as token rows: every image encoded once, and once mirrored, before the generator trains. */
import { DataError, Rng, type RngState, type Tensor } from '../core/index.ts';
import type { ImageDataset } from '../data/browser.ts';
import { encodeViews, viewsOf } from './views.ts';

/** Token rows and classes in a seeded order whose position can be saved. */
export interface TokenSource {
  /** tokens batch·K ids, labels batch classes */
  next(): { tokens: Int32Array; labels: Int32Array };
  state: unknown;
}

/** A position in the endless row of batches; plain JSON. */
interface TokenState {
  /** Token rows. */
  readonly count?: number;
  /** Before this epoch's order was drawn. */
  readonly epoch: RngState;
  readonly position: number;
}

/** Batches in shuffled order, epoch by epoch; the state is the generator and the place in the order. */
export class TokenBatches implements TokenSource {
  readonly #tokens: Int32Array;
  readonly #labels: Int32Array;
  readonly #batchSize: number;
  readonly #rng: Rng;
  #epoch: RngState;
  #order: Int32Array;
  #position = 0;

  /** @param tokens  rows·K ids    @param labels  a class for each row */
  constructor(tokens: Int32Array, labels: Int32Array, batchSize: number, seed: number) {
    this.#tokens = tokens;
    this.#labels = labels;
    this.#batchSize = Math.min(batchSize, labels.length);
    this.#rng = new Rng(seed);
    this.#epoch = this.#rng.state;
    this.#order = this.#rng.permutation(labels.length);
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
    const views = viewsOf(dataset);
    const chosen = Array.from(new Rng(seed).permutation(views.length).subarray(0, limit).sort(), (i) => views[i]);
    if (batchSize > chosen.length)
      notify?.(`batchSize ${batchSize}: there are only ${chosen.length} token rows, so a batch has these.`);
    const tokens = await encodeViews(dataset, chosen, encode, notify);
    const labels = Int32Array.from(chosen, ({ index }) => dataset.train.labels[index]);
    return new TokenBatches(tokens, labels, batchSize, seed);
  }

  next(): { tokens: Int32Array; labels: Int32Array } {
    if (this.#position + this.#batchSize > this.#order.length) {
      this.#epoch = this.#rng.state;
      this.#order = this.#rng.permutation(this.#labels.length);
      this.#position = 0;
    }
    const rows = this.#order.subarray(this.#position, this.#position + this.#batchSize);
    this.#position += this.#batchSize;
    const k = this.#tokens.length / this.#labels.length;
    const tokens = new Int32Array(rows.length * k);
    rows.forEach((row, i) => {
      tokens.set(this.#tokens.subarray(row * k, (row + 1) * k), i * k);
    });
    return { tokens, labels: Int32Array.from(rows, (row) => this.#labels[row]) };
  }

  get state(): TokenState {
    return { count: this.#labels.length, epoch: this.#epoch, position: this.#position };
  }
  /** The place in rows of another number, as when a training is prolonged, is the beginning of an epoch. */
  set state(saved: TokenState) {
    const rows = this.#labels.length;
    const { count = rows, epoch, position } = saved ?? {};
    if (!isIndex(count) || !isIndex(position) || position > count) {
      throw new DataError(`token batches: expected a position from 0 to ${count}, got ${JSON.stringify(position)}.`);
    }
    this.#rng.state = epoch;
    this.#epoch = epoch;
    this.#order = this.#rng.permutation(rows);
    this.#position = count === rows ? position : 0;
  }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
