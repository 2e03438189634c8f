/** The table that a training ends with. */
import { type StageRow, tableCells } from '../train/index.ts';

/** A row per stage, in columns that line up. */
export function table(rows: readonly StageRow[]): string {
  const cells = tableCells(rows);
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells
    .map((row) => row.map((c, i) => (i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  '))
    .join('\n');
}

/** What its last column means. */
export const tableNote = (heldOut: number): string =>
  `FD: Fréchet distance on 96 MobileNetV2 features, ${heldOut} held-out images at 96 pixels; not FID.`;
