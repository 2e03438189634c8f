/** Batches with a teacher's codes, which are worked out before the training where it draws its images often. */
import { tensor } from '../core/index.ts';
import type { Batches, ImageDataset, View } from '../data/index.ts';
import type { Teacher } from '../titok/index.ts';
import { encodeViews, viewsOf } from './views.ts';
import type { CodedBatchSource } from './warmup.ts';

export class CodedBatches implements CodedBatchSource {
  readonly #batches: Batches;
  readonly #dataset: ImageDataset;
  readonly #teacher: Teacher;
  /** By place, see `placeOf`. */
  readonly #codes: Int32Array[] = [];

  /** @param batches  whole images of the dataset's training part, mirrored where its classes allow it */
  constructor(batches: Batches, dataset: ImageDataset, teacher: Teacher) {
    this.#batches = batches;
    this.#dataset = dataset;
    this.#teacher = teacher;
  }

  /**
   * Finds the codes of all views, unless fewer than two of each are drawn.
   *
   * @param draws  images of the whole training, so that one that goes on takes the same way
   */
  async prepare(draws: number): Promise<void> {
    const views = viewsOf(this.#dataset);
    if (draws < 2 * views.length) return;
    const codes = await encodeViews(this.#dataset, views, (images) => this.#teacher.encode(images));
    const width = codes.length / views.length;
    for (const [i, view] of views.entries()) this.#codes[placeOf(view)] = codes.subarray(i * width, (i + 1) * width);
  }

  next(): ReturnType<CodedBatchSource['next']> {
    const batch = this.#batches.next();
    if (this.#codes.length === 0) return batch;
    const rows = batch.views.map((view) => this.#codes[placeOf(view)]);
    const width = rows[0].length;
    const codes = new Int32Array(rows.length * width);
    for (const [i, row] of rows.entries()) codes.set(row, i * width);
    return { ...batch, codes: tensor(codes, [rows.length, width]) };
  }
  get state(): Batches['state'] {
    return this.#batches.state;
  }
  set state(state) {
    this.#batches.state = state;
  }
}

const placeOf = ({ index, mirrored }: View): number => 2 * index + Number(mirrored);
