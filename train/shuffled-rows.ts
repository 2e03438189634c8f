/** Rows of a dataset in a seeded order whose position can be saved. */
import { DataError, expectWhole, Rng, type RngState } from '../core/index.ts';

/** A position in the endless row of batches; plain JSON. */
interface RowState {
  /** Rows. */
  readonly count?: number;
  /** Before this epoch's order was drawn. */
  readonly epoch: RngState;
  readonly position: number;
}

/** Batches of row numbers in shuffled order, epoch by epoch; the state is the generator and the place in the order. */
export class ShuffledRows {
  readonly #count: number;
  readonly #batchSize: number;
  readonly #rng: Rng;
  readonly #what: string;
  #epoch: RngState;
  #order: Int32Array;
  #position = 0;

  /** @param what  names the rows in errors: 'token batches'    @throws OptionError unless the batch size is a whole number ≥ 1 */
  constructor(what: string, count: number, batchSize: number, seed: number) {
    expectWhole(`${what}, batchSize`, batchSize, 1, Number.MAX_SAFE_INTEGER);
    this.#what = what;
    this.#count = count;
    this.#batchSize = Math.min(batchSize, count);
    this.#rng = new Rng(seed);
    this.#epoch = this.#rng.state;
    this.#order = this.#rng.permutation(count);
  }

  /** @throws DataError when there are no rows */
  next(): Int32Array {
    if (this.#count === 0) throw new DataError(`${this.#what}: expected rows to draw from, got none.`);
    if (this.#position + this.#batchSize > this.#order.length) {
      this.#epoch = this.#rng.state;
      this.#order = this.#rng.permutation(this.#count);
      this.#position = 0;
    }
    const rows = this.#order.subarray(this.#position, this.#position + this.#batchSize);
    this.#position += this.#batchSize;
    return rows;
  }

  get state(): RowState {
    return { count: this.#count, epoch: this.#epoch, position: this.#position };
  }
  /** The place in rows of another number, as when a training is prolonged, is the beginning of an epoch. */
  set state(saved: RowState) {
    const { count = this.#count, epoch, position } = saved ?? {};
    if (!isIndex(count) || !isIndex(position) || position > count) {
      throw new DataError(`${this.#what}: expected a position from 0 to ${count}, got ${JSON.stringify(position)}.`);
    }
    this.#rng.state = epoch;
    this.#epoch = epoch;
    this.#order = this.#rng.permutation(this.#count);
    this.#position = count === this.#count ? position : 0;
  }
}

const isIndex = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
