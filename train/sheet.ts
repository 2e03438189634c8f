/** A plan of pictures of several kinds on one sheet: a row per class, or several, as many as one file should hold. */
import { gridSize } from '../data/browser.ts';

/** How pictures are arranged. */
export interface Sheet {
  /** Kinds that are shown, the first of them. */
  readonly rows: number;
  /** Pictures of each kind that are shown. */
  readonly each: number;
  /** Pictures side by side; a kind with more has several rows. */
  readonly columns: number;
  /** Whole number by which pixels are enlarged. */
  readonly scale: number;
}

const wide = 25; // more than that in a row are wrapped

/**
 * Arranges `each` pictures of every label. What does not fit into a file at any scale is left out: first pictures of each
 * label, then labels.
 *
 * @param size  of the square pictures, pixels
 */
export function planSheet(labels: readonly string[], each: number, size: number): Sheet {
  const image = { width: size, height: size };
  const usual = Math.ceil(96 / size);
  const rowLabels = [labels.map(shortLabel).reduce((a, b) => (b.length > a.length ? b : a), '')]; // the widest
  const columnLabels = ['']; // room for a caption
  for (let rows = labels.length; ; ) {
    let columns = Math.min(each, Math.max(wide, Math.ceil(Math.sqrt(rows * each))));
    while (columns > 1 && !gridSize(image, columns, columns, { scale: 1, rowLabels, columnLabels }).fits) columns--;
    const cells = rows * Math.ceil(each / columns) * columns;
    for (let scale = usual; scale >= 1; scale--) {
      if (gridSize(image, cells, columns, { scale, rowLabels, columnLabels }).fits || rows * each === 1)
        return { rows, each, columns, scale };
    }
    if (each > columns || rows === 1) each = Math.max(1, Math.floor(0.9 * each));
    else rows = Math.max(1, Math.floor(0.9 * rows));
  }
}

/** At most 40 letters. */
export const shortLabel = (label: string): string => (label.length > 40 ? `${label.slice(0, 39)}…` : label);
