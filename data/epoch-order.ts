/** The order in which images are drawn, epoch by epoch: its state is the generator at the beginning of the epoch, and a position. */
import { DataError, type Rng, type RngState } from '../core/index.ts';

/** A position in the order of images; plain JSON. */
export interface OrderState {
  readonly count: number; // images in the set, so that another set is noticed
  readonly epoch: number;
  readonly position: number; // images of this epoch already used
  readonly order: RngState; // before this epoch's order is drawn
  /** Images that a stream's order is drawn from; left out: all. */
  readonly shuffleBuffer?: number;
}

/** Images in shuffled order without end, each once per epoch. */
export class EpochOrder {
  readonly #count: number;
  readonly #shuffleBuffer: number | undefined;
  readonly #rng: Rng;
  #start: RngState;
  #order: Int32Array;
  #epoch = 0;
  #position = 0;

  /** @param shuffleBuffer  as `bufferedOrder` takes it; default: each epoch is a permutation of all images */
  constructor(count: number, rng: Rng, shuffleBuffer?: number) {
    this.#count = count;
    this.#shuffleBuffer = shuffleBuffer;
    this.#rng = rng;
    this.#start = rng.state;
    this.#order = this.#draw();
  }

  next(): number {
    if (this.#position === this.#count) {
      this.#epoch++;
      this.#position = 0;
      this.#start = this.#rng.state;
      this.#order = this.#draw();
    }
    return this.#order[this.#position++];
  }

  get state(): OrderState {
    return {
      count: this.#count,
      epoch: this.#epoch,
      position: this.#position,
      order: this.#start,
      ...(this.#shuffleBuffer !== undefined && { shuffleBuffer: this.#shuffleBuffer }),
    };
  }
  /** @throws DataError for a position in another set, or in the order of another shuffle buffer */
  set state(saved: OrderState) {
    if (saved?.count !== this.#count) {
      throw new DataError(
        `batches: expected the position in a set of ${this.#count} images, got one of ${saved?.count}. ` +
          'Has the dataset changed since the checkpoint?',
      );
    }
    if (saved.shuffleBuffer !== this.#shuffleBuffer) {
      const named = (size = this.#count) => (size === this.#count ? 'all images' : `${size} images`);
      throw new DataError(
        `batches: expected the position in a shuffle buffer of ${named(this.#shuffleBuffer)}, got one of ` +
          `${named(saved.shuffleBuffer)}. Give --shuffle-buffer as it was, or leave it out.`,
      );
    }
    const isCount = (n: unknown, most: number) =>
      Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) <= most;
    if (!isCount(saved.epoch, Infinity) || !isCount(saved.position, this.#count)) {
      throw new DataError(
        `batches: expected an epoch ≥ 0 and a position from 0 to ${this.#count}, got ${saved.epoch} and ${saved.position}.`,
      );
    }
    this.#epoch = saved.epoch;
    this.#position = saved.position;
    this.#start = saved.order;
    this.#rng.state = saved.order;
    this.#order = this.#draw();
  }

  #draw(): Int32Array {
    return bufferedOrder(this.#rng, this.#count, this.#shuffleBuffer ?? this.#count);
  }
}

const runLength = 64; // neighbors in a shard that stay together on the way into the buffer

/**
 * The numbers 0..count−1 as a shuffle buffer gives them back. Runs of 64 neighbors enter it in random order. Each draw takes a
 * random number of those in the buffer, and the next in line takes its place: what is drawn lies near what was drawn before, which
 * slow disks need. A buffer of `count` is a permutation.
 */
export function bufferedOrder(rng: Rng, count: number, size: number): Int32Array {
  if (size >= count) return rng.permutation(count);
  const line = new Int32Array(count);
  let end = 0;
  for (const run of rng.permutation(Math.ceil(count / runLength)))
    for (let i = run * runLength; i < Math.min((run + 1) * runLength, count); i++) line[end++] = i;
  const buffer = line.slice(0, size);
  let inBuffer = size;
  return line.map((_, drawn) => {
    const at = rng.int(inBuffer);
    const taken = buffer[at];
    buffer[at] = drawn + size < count ? line[drawn + size] : buffer[--inBuffer];
    return taken;
  });
}
