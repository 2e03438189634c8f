/** The dataset as token rows: every image encoded once, and once mirrored, before the generator trains. */
import { DataError, type Tensor } from '../core/index.ts';
import type { Dataset } from '../data/browser.ts';
import { ShuffledRows } from './shuffled-rows.ts';
import { encodeViews, someRows, someViews } from './views.ts';

/** Token rows with their classes. */
export interface TokenRows {
  /** rows·K ids */
  readonly tokens: Int32Array;
  /** rows */
  readonly labels: Int32Array;
}

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

  /**
   * @param tokens  rows·K ids
   * @param labels  a class for each row
   * @throws DataError when there are not as many tokens for each label; OptionError unless the batch size is a whole number ≥ 1
   */
  constructor(tokens: Int32Array, labels: Int32Array, batchSize: number, seed: number) {
    if (tokens.length % labels.length !== 0 && tokens.length > 0)
      throw new DataError(`token batches: expected rows·K ids for ${labels.length} labels, got ${tokens.length}.`);
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
    dataset: Dataset,
    batchSize: number,
    seed: number,
    limit = Infinity,
    notify?: (message: string) => void,
  ): Promise<TokenBatches> {
    const { views, labels } = someViews(dataset, limit, seed);
    noteFew(labels.length, batchSize, notify);
    const tokens = await encodeViews(dataset, views, encode, notify);
    return new TokenBatches(tokens, labels, batchSize, seed);
  }

  /** Takes rows that were encoded before: the same as `encode` of their images, without mirrored ones. */
  static of(
    all: TokenRows,
    batchSize: number,
    seed: number,
    limit = Infinity,
    notify?: (message: string) => void,
  ): TokenBatches {
    const rows = someRows(all.labels.length, limit, seed);
    noteFew(rows.length, batchSize, notify);
    return new TokenBatches(
      gather(all.tokens, all.tokens.length / all.labels.length, rows),
      gather(all.labels, 1, rows),
      batchSize,
      seed,
    );
  }

  next(): { tokens: Int32Array; labels: Int32Array } {
    const rows = this.#rows.next();
    const tokens = gather(this.#tokens, this.#tokens.length / this.#labels.length, rows);
    return { tokens, labels: gather(this.#labels, 1, rows) };
  }

  get state(): ShuffledRows['state'] {
    return this.#rows.state;
  }
  set state(saved: ShuffledRows['state']) {
    this.#rows.state = saved;
  }
}

function noteFew(rows: number, batchSize: number, notify?: (message: string) => void): void {
  if (batchSize > rows) notify?.(`batchSize ${batchSize}: there are only ${rows} token rows, so a batch has these.`);
}

/** Rows of `width` values each. */
function gather(values: Int32Array, width: number, rows: Int32Array): Int32Array {
  const result = new Int32Array(rows.length * width);
  rows.forEach((row, i) => {
    result.set(values.subarray(row * width, (row + 1) * width), i * width);
  });
  return result;
}
