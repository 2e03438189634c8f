/** The table that a training ends with. */
import { type StageRow, tableCells } from '../train/index.ts';

/** A row per stage, in columns that line up. */
export function table(rows: readonly StageRow[]): string {
  return aligned(tableCells(rows));
}

/** Rows of cells in columns that line up: the first to the left, the others to the right. */
export function aligned(cells: readonly (readonly string[])[]): string {
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells
    .map((row) => row.map((c, i) => (i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  '))
    .join('\n');
}

/** 'finetune, PSNR of the first tokens alone: 1: 9.12, 2: 10.4, …' for a model of variable length. */
export function lengthsNote(rows: readonly StageRow[]): string[] {
  return rows.flatMap((row) => {
    const lengths = Object.keys(row).flatMap((name) => /^psnr(\d+)$/.exec(name)?.[1] ?? []);
    if (lengths.length === 0) return [];
    const shown = lengths.map(Number).sort((a, b) => a - b).map((k) => `${k}: ${(row[`psnr${k}`] as number).toFixed(2)}`); // biome-ignore format: one thought
    return [`${row.name}, PSNR with the first tokens alone: ${shown.join(', ')}; all: ${row.psnr?.toFixed(2)}`];
  });
}

/** What its last column means. */
export const tableNote = (heldOut: number): string =>
  `FD: Fréchet distance on 96 MobileNetV2 features, ${heldOut} held-out images at 96 pixels; not FID.`;
