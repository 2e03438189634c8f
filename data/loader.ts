/** Batches of images: shuffled without end, in an order that can be saved and resumed; or each image once. */
import { DataError, expectNumber, expectWhole, Rng, type RngState, type Tensor, tensor } from '../core/index.ts';
import type { ImageSet } from './dataset.ts';
import { megabytes } from './errors.ts';
import { toUnit } from './pixels.ts';

/** An image of a set, possibly mirrored. */
export interface View {
  readonly index: number;
  readonly mirrored: boolean;
}

/** Images as tensors, with their labels. */
export interface Batch {
  readonly images: Tensor; // [batch, 3, size, size] in 0..1
  readonly labels: Tensor; // [batch] int32
  /** Where each image comes from; crops are not recorded. */
  readonly views: readonly View[];
}

/** Options of `batches`. */
export interface BatchOptions {
  readonly batchSize: number;
  readonly seed: number;
  /** Mirrors half of the images; a function decides by class (not those with text). Default: false. */
  readonly flip?: boolean | ((label: number) => boolean);
  /** Crops a random square of this many pixels from each image; default: the whole image. */
  readonly crop?: number;
  /**
   * 0 (default): every image once per epoch. 1: all classes equally often, with replacement. Between them
   * P(class) ∝ count^(1 − classBalance).
   */
  readonly classBalance?: number;
}

/** A position in the endless sequence of batches; plain JSON. */
export interface BatchState {
  readonly count: number; // images in the set, so that another set is noticed
  readonly epoch: number;
  readonly position: number; // images of this epoch already used
  readonly order: RngState; // before this epoch's order is drawn
  readonly draws: RngState; // flips, crops and balanced draws
}

/** An endless sequence of batches. */
export interface Batches {
  /** The next batch. A batch may contain the end of one epoch and the start of the next. */
  next(): Batch;
  /** Assign a saved state to resume with exactly the batches that followed it. */
  state: BatchState;
}

/** Bytes of a batch, as float32: what a training makes of it takes ten times as much and more, and the cpu device has 4 GiB. */
const largestBatch = 2 ** 28;

/**
 * An endless sequence of shuffled batches, each epoch in a new order.
 *
 *   const train = batches(dataset.train, { batchSize: 16, seed: 0, flip: true });
 *   const { images, labels } = train.next();   // [16, 3, size, size] in 0..1, [16] int32
 *
 * @throws DataError for an empty set, a batch that does not fit into memory, or a crop larger than the images; OptionError
 *   for a batch size or class balance out of range
 */
export function batches(set: ImageSet, options: BatchOptions): Batches {
  const { batchSize, seed, flip = false, crop = set.size, classBalance = 0 } = options;
  if (set.count === 0) throw new DataError('batches: expected a set with images, got an empty one.');
  expectWhole('batches, batchSize', batchSize, 1, 65_536);
  if (!Number.isInteger(crop) || crop < 1 || crop > set.size) {
    throw new DataError(`batches: expected a crop of 1 to ${set.size} pixels (the images' size), got ${crop}.`);
  }
  const bytes = 4 * 3 * batchSize * crop * crop;
  if (bytes > largestBatch) {
    throw new DataError(
      `batches: expected a batch of at most ${megabytes(largestBatch)}, got ${batchSize} images of ${crop}×${crop} pixels = ` +
        `${megabytes(bytes)}. Choose a smaller batchSize.`,
    );
  }
  expectNumber('batches, classBalance', classBalance, 0, 1);
  const mayFlip = typeof flip === 'function' ? flip : () => flip;
  const root = new Rng(seed);
  const orderRng = root.fork();
  const drawRng = root.fork();
  let epoch = 0;
  let position = 0;
  let epochStart = orderRng.state;
  let order = orderRng.permutation(set.count);

  const shuffled = () => {
    if (position === set.count) {
      epoch++;
      position = 0;
      epochStart = orderRng.state;
      order = orderRng.permutation(set.count);
    }
    return order[position++];
  };
  const pick = classBalance === 0 ? shuffled : balancedDraw(set, classBalance, drawRng);

  return {
    next() {
      const indices = Array.from({ length: batchSize }, pick);
      const pixels = new Uint8Array(batchSize * 3 * crop * crop);
      const views = indices.map((index, i) => {
        const view = { index, mirrored: mayFlip(set.labels[index]) && drawRng.uniform() < 0.5 };
        const [left, top] = [drawRng.int(set.size - crop + 1), drawRng.int(set.size - crop + 1)];
        copyWindow(set, view, { left, top, side: crop }, pixels, i * 3 * crop * crop);
        return view;
      });
      return toBatch(set, views, pixels, crop);
    },
    get state() {
      return { count: set.count, epoch, position, order: epochStart, draws: drawRng.state };
    },
    set state(saved: BatchState) {
      if (saved?.count !== set.count) {
        throw new DataError(
          `batches: expected the position in a set of ${set.count} images, got one of ${saved?.count}. ` +
            'Has the dataset changed since the checkpoint?',
        );
      }
      const isCount = (n: unknown, most: number) =>
        Number.isSafeInteger(n) && (n as number) >= 0 && (n as number) <= most;
      if (!isCount(saved.epoch, Infinity) || !isCount(saved.position, set.count)) {
        throw new DataError(
          `batches: expected an epoch ≥ 0 and a position from 0 to ${set.count}, got ${saved.epoch} and ${saved.position}.`,
        );
      }
      ({ epoch, position } = saved);
      epochStart = saved.order;
      orderRng.state = saved.order;
      order = orderRng.permutation(set.count);
      drawRng.state = saved.draws;
    },
  };
}

/** Every image once, in the set's order. The last batch may be smaller. `limit` ends after that many images. */
export function* inOrder(set: ImageSet, batchSize: number, limit = set.count): Generator<Batch> {
  expectWhole('inOrder, batchSize', batchSize, 1, 2 ** 31);
  const each = 3 * set.size * set.size;
  const count = Math.min(limit, set.count);
  for (let start = 0; start < count; start += batchSize) {
    const length = Math.min(batchSize, count - start);
    const views = Array.from({ length }, (_, i) => ({ index: start + i, mirrored: false }));
    yield toBatch(set, views, set.images.subarray(start * each, (start + length) * each), set.size);
  }
}

/** One batch of given views of a set, at full size. */
export function batchOf(set: ImageSet, views: readonly View[]): Batch {
  const { size } = set;
  const pixels = new Uint8Array(views.length * 3 * size * size);
  views.forEach((view, i) => {
    copyWindow(set, view, { left: 0, top: 0, side: size }, pixels, i * 3 * size * size);
  });
  return toBatch(set, views, pixels, size);
}

function toBatch(set: ImageSet, views: readonly View[], pixels: Uint8Array, side: number): Batch {
  const labels = Int32Array.from(views, ({ index }) => set.labels[index]);
  const images = tensor(toUnit(pixels), [views.length, 3, side, side]);
  return { images, labels: tensor(labels, [views.length]), views };
}

/** Draws a class, then one of its images, with replacement. */
function balancedDraw(set: ImageSet, balance: number, rng: Rng): () => number {
  const members: number[][] = [];
  set.labels.forEach((label, index) => {
    members[label] ??= [];
    members[label].push(index);
  });
  const groups = members.filter((group) => group !== undefined);
  let total = 0;
  const ends = groups.map((group) => {
    total += group.length ** (1 - balance);
    return total; // end of the class's interval in 0..total
  });
  return () => {
    const at = rng.uniform() * total;
    const group = groups[ends.findIndex((end) => at < end)];
    return group[rng.int(group.length)];
  };
}

interface Window {
  readonly left: number;
  readonly top: number;
  readonly side: number;
}

function copyWindow(set: ImageSet, { index, mirrored }: View, window: Window, out: Uint8Array, at: number): void {
  const { left, top, side } = window;
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < side; y++) {
      const from = ((index * 3 + c) * set.size + top + y) * set.size + left;
      const row = out.subarray(at + (c * side + y) * side, at + (c * side + y + 1) * side);
      row.set(set.images.subarray(from, from + side));
      if (mirrored) row.reverse();
    }
  }
}
