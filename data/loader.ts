/** Batches of images: shuffled without end, in an order that can be saved and resumed; or each image once. */
import {
  DataError,
  expectKnown,
  expectNumber,
  expectWhole,
  Rng,
  type RngState,
  type Tensor,
  tensor,
} from '../core/index.ts';
import { type ImageList, type ImageSet, type ImageStream, isStream } from './dataset.ts';
import { EpochOrder, type OrderState } from './epoch-order.ts';
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
export interface BatchState extends OrderState {
  readonly draws: RngState; // flips, crops and balanced draws
  /** Of a stream with random crops. */
  readonly places?: RngState;
}

const optionNames = ['batchSize', 'seed', 'flip', 'crop', 'classBalance'] satisfies (keyof BatchOptions)[];

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
 *   for an unknown option, or a batch size or class balance out of range (of a stream only 0 is possible)
 */
export function batches(set: ImageSet | ImageStream, options: BatchOptions): Batches {
  expectKnown('batches', options, optionNames);
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
  expectNumber('batches, classBalance', classBalance, 0, isStream(set) ? 0 : 1); // drawn with replacement, nothing is ahead
  const mayFlip = typeof flip === 'function' ? flip : () => flip;
  const root = new Rng(seed);
  const orderRng = root.fork();
  const drawRng = root.fork();
  const stream = isStream(set) ? set : undefined;
  const newOrder = () => new EpochOrder(set.count, new Rng(orderRng.state), stream?.shuffleBuffer);
  const order = newOrder();
  const pick = classBalance === 0 ? () => order.next() : balancedDraw(set, classBalance, drawRng);
  const placeRng = stream?.randomCrop ? root.fork() : undefined;
  const each = <T>(draw: () => T) => Array.from({ length: batchSize }, draw);
  const decode = (planned: EpochOrder) => {
    const places = placeRng && new Rng(placeRng.state);
    return (
      stream &&
      decodedAhead(stream, () => ({
        indices: each(() => planned.next()),
        ...(places && { places: each(() => places.uniform()) }),
      }))
    );
  };
  let decoded = decode(newOrder());

  return {
    next() {
      const indices = each(pick);
      if (placeRng) each(() => placeRng.uniform()); // as it was planned
      const images = decoded ? decoded() : (set as ImageSet).images;
      const pixels = new Uint8Array(batchSize * 3 * crop * crop);
      const views = indices.map((index, i) => {
        const view = { index, mirrored: mayFlip(set.labels[index]) && drawRng.uniform() < 0.5 };
        const [left, top] = [drawRng.int(set.size - crop + 1), drawRng.int(set.size - crop + 1)];
        const from = { images, size: set.size, at: decoded ? i : index };
        copyWindow(from, view.mirrored, { left, top, side: crop }, pixels, i * 3 * crop * crop);
        return view;
      });
      return toBatch(set, views, pixels, crop);
    },
    get state() {
      return { ...order.state, draws: drawRng.state, ...(placeRng && { places: placeRng.state }) };
    },
    set state(saved: BatchState) {
      if ((saved.places === undefined) !== (placeRng === undefined)) {
        const [before, now] = saved.places ? ['random crops', 'none'] : ['no random crops', 'some'];
        throw new DataError(
          `batches: expected ${before}, as at the saved position, got ${now}. ${saved.places ? 'Give' : 'Leave out'} --random-crop.`,
        );
      }
      order.state = saved;
      drawRng.state = saved.draws;
      if (placeRng && saved.places) placeRng.state = saved.places;
      const planned = newOrder();
      planned.state = saved;
      decoded = decode(planned);
    },
  };
}

const mostAhead = 4; // batches, so that one with large pictures keeps nobody waiting

interface Planned {
  readonly indices: readonly number[];
  readonly places?: readonly number[];
}

/** Gives the pixels of a stream's images in the order of a plan, and has the next ones decoded meanwhile. */
function decodedAhead(stream: ImageStream, plan: () => Planned | undefined): () => Uint8Array {
  const reader = stream.reader();
  return () => {
    while (reader.waiting < mostAhead) {
      const next = plan();
      if (!next) break;
      reader.request(next.indices, next.places);
    }
    return reader.take();
  };
}

/**
 * Every image once, in the set's order. The last batch may be smaller. `limit` ends after that many images.
 *
 * @throws OptionError, when the first batch is taken, unless the batch size is a whole number ≥ 1 and the limit one ≥ 0
 */
export function* inOrder(set: ImageSet | ImageStream, batchSize: number, limit = set.count): Generator<Batch> {
  expectWhole('inOrder, batchSize', batchSize, 1, 2 ** 31);
  expectWhole('inOrder, limit', limit, 0, Number.MAX_SAFE_INTEGER);
  const views = Array.from({ length: Math.min(limit, set.count) }, (_, index) => ({ index, mirrored: false }));
  yield* viewBatches(set, views, batchSize);
}

/**
 * Batches of given views of a set, at full size. The last one may be smaller.
 *
 * @throws when the first batch is taken, as `pixelBatches`
 */
export function* viewBatches(
  set: ImageSet | ImageStream,
  views: readonly View[],
  batchSize: number,
): Generator<Batch, void> {
  let start = 0;
  const indices = views.map(({ index }) => index);
  for (const images of pixelBatches(set, indices, batchSize)) {
    const part = views.slice(start, start + batchSize);
    start += batchSize;
    const rows = 3 * set.size; // of each image
    for (const [i, { mirrored }] of part.entries())
      for (let row = i * rows; mirrored && row < (i + 1) * rows; row++)
        images.subarray(row * set.size, (row + 1) * set.size).reverse();
    yield toBatch(set, part, images, set.size);
  }
}

/**
 * The pixels of given images, [batch, 3, size, size], 0..255. The last batch may be smaller.
 *
 * @throws when the first batch is taken: OptionError unless the batch size is a whole number ≥ 1, DataError for an index that
 *   the set does not have
 */
export function* pixelBatches(
  set: ImageSet | ImageStream,
  indices: readonly number[],
  batchSize: number,
): Generator<Uint8Array, void> {
  expectWhole('pixelBatches, batchSize', batchSize, 1, 2 ** 31);
  expectIndices('pixelBatches', set, indices);
  const parts = Array.from({ length: Math.ceil(indices.length / batchSize) }, (_, i) =>
    indices.slice(i * batchSize, (i + 1) * batchSize),
  );
  if (isStream(set)) {
    const plan = parts.map((indices) => ({ indices })).values();
    const decoded = decodedAhead(set, () => plan.next().value);
    for (const _ of parts) yield decoded();
    return;
  }
  const each = 3 * set.size * set.size;
  for (const part of parts) {
    const pixels = new Uint8Array(part.length * each);
    for (const [i, index] of part.entries())
      pixels.set(set.images.subarray(index * each, (index + 1) * each), i * each);
    yield pixels;
  }
}

/** One batch of given views of a set, at full size. @throws DataError for an index that the set does not have */
export function batchOf(set: ImageSet, views: readonly View[]): Batch {
  const indices = views.map(({ index }) => index);
  expectIndices('batchOf', set, indices);
  const { size } = set;
  const pixels = new Uint8Array(views.length * 3 * size * size);
  views.forEach((view, i) => {
    const from = { images: set.images, size, at: view.index };
    copyWindow(from, view.mirrored, { left: 0, top: 0, side: size }, pixels, i * 3 * size * size);
  });
  return toBatch(set, views, pixels, size);
}

function expectIndices(where: string, { count }: ImageList, indices: readonly number[]): void {
  const bad = indices.find((index) => !Number.isInteger(index) || index < 0 || index >= count);
  if (bad !== undefined) throw new DataError(`${where}: expected indices of the set's ${count} images, got ${bad}.`);
}

function toBatch(set: ImageList, views: readonly View[], pixels: Uint8Array, side: number): Batch {
  const labels = Int32Array.from(views, ({ index }) => set.labels[index]);
  const images = tensor(toUnit(pixels), [views.length, 3, side, side]);
  return { images, labels: tensor(labels, [views.length]), views };
}

/** Draws a class, then one of its images, with replacement. */
function balancedDraw(set: ImageList, balance: number, rng: Rng): () => number {
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

function copyWindow(
  { images, size, at }: { readonly images: Uint8Array; readonly size: number; readonly at: number },
  mirrored: boolean,
  { left, top, side }: Window,
  out: Uint8Array,
  to: number,
): void {
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < side; y++) {
      const from = ((at * 3 + c) * size + top + y) * size + left;
      const row = out.subarray(to + (c * side + y) * side, to + (c * side + y + 1) * side);
      row.set(images.subarray(from, from + side));
      if (mirrored) row.reverse();
    }
  }
}
