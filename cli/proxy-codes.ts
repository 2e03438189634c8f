/** Batches with a teacher's codes, which are worked out before the training where it draws its images often. */
import { tensor } from '../core/index.ts';
import type { Batches, ImageDataset } from '../data/index.ts';
import type { CodedBatchSource, Teacher } from '../titok/index.ts';
import { encodeViews, viewsOf } from './views.ts';

export class CodedBatches implements CodedBatchSource {
  readonly #batches: Batches;
  readonly #dataset: ImageDataset;
  readonly #teacher: Teacher;
  /** By index and whether mirrored. */
  readonly #codes = new Map<string, Int32Array>();

  /** @param batches  whole images of the dataset's training part, mirrored where its classes allow it */
  constructor(batches: Batches, dataset: ImageDataset, teacher: Teacher) {
    this.#batches = batches;
    this.#dataset = dataset;
    this.#teacher = teacher;
  }

  /** Finds the codes of all views, unless fewer than two of each will be drawn. */
  async prepare(draws: number): Promise<void> {
    const views = viewsOf(this.#dataset);
    if (draws < 2 * views.length) return;
    const codes = await encodeViews(this.#dataset, views, (images) => this.#teacher.encode(images));
    const width = codes.length / views.length;
    for (const [i, { index, mirrored }] of views.entries())
      this.#codes.set(`${index} ${mirrored}`, codes.subarray(i * width, (i + 1) * width));
  }

  next(): ReturnType<CodedBatchSource['next']> {
    const batch = this.#batches.next();
    if (this.#codes.size === 0) return batch;
    const rows = batch.views.map(({ index, mirrored }) => this.#codes.get(`${index} ${mirrored}`)!);
    return {
      ...batch,
      codes: tensor(Int32Array.from(rows.flatMap((row) => [...row])), [rows.length, rows[0]!.length]),
    };
  }
  get state(): Batches['state'] {
    return this.#batches.state;
  }
  set state(state) {
    this.#batches.state = state;
  }
}
