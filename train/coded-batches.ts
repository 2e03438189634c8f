/** Image batches with the teacher's codes, computed once before the training where images are drawn often. */
import { type Tensor, tensor } from '../core/index.ts';
import { type Batches, type Dataset, isStream, type View } from '../data/browser.ts';
import type { Teacher } from '../titok/index.ts';
import type { ImageSource } from './training.ts';
import { encodeViews, viewsOf } from './views.ts';

/** Batches that may bring the teacher's codes of their images, int32 [batch, G²], which saves computing them again. */
export interface CodedSource extends ImageSource {
  next(): { readonly images: Tensor; readonly codes?: Tensor };
}

export interface CodedBatches extends CodedSource {
  /**
   * Computes the codes of all views, unless fewer than two draws of each are planned or images are streamed.
   *
   * @param draws  images of the whole training, so that a resumed one takes the same path
   */
  prepare(draws: number, notify?: (message: string) => void): Promise<void>;
}

/**
 * Adds the teacher's codes to image batches.
 *
 * @param batches  whole images of the dataset's training part, mirrored where its classes allow it
 */
export function codedBatches(batches: Batches, dataset: Dataset, teacher: Teacher): CodedBatches {
  const rows: Int32Array[] = []; // codes by view, see rowOf
  return {
    async prepare(draws, notify) {
      if (isStream(dataset.train)) return; // codes of all could be larger than memory
      const views = viewsOf(dataset);
      if (draws < 2 * views.length) return;
      const codes = await encodeViews(dataset, views, (images) => teacher.encode(images).indices, notify);
      const width = codes.length / views.length;
      for (const [i, view] of views.entries()) rows[rowOf(view)] = codes.subarray(i * width, (i + 1) * width);
    },
    next() {
      const batch = batches.next();
      if (rows.length === 0) return batch;
      const found = batch.views.map((view) => rows[rowOf(view)]);
      const width = found[0].length;
      const codes = new Int32Array(found.length * width);
      for (const [i, row] of found.entries()) codes.set(row, i * width);
      return { ...batch, codes: tensor(codes, [found.length, width]) };
    },
    get state() {
      return batches.state;
    },
    set state(state) {
      batches.state = state as Batches['state'];
    },
  };
}

const rowOf = ({ index, mirrored }: View): number => 2 * index + Number(mirrored);
