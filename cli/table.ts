/** The table that a run ends with. */
import type { StageRow } from '../train/index.ts';

/** A row for each stage, in columns that line up. */
export function table(rows: readonly StageRow[]): string {
  const number = (x: number | null, digits: number) => (x === null || !Number.isFinite(x) ? '–' : x.toFixed(digits));
  const cells = [
    ['stage', 'steps', 'seconds', 'images/s', 'loss', 'PSNR', 'codes', 'perplexity', 'FD'],
    ...rows.map((r) => [
      r.name,
      String(r.steps),
      number(r.seconds, 0),
      number(r.imagesPerSecond, 0),
      number(r.loss, 3),
      number(r.psnr, 2),
      number(r.codesUsed, 0),
      number(r.perplexity, 0),
      number(r.fd, 1),
    ]),
  ];
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  return cells
    .map((row) => row.map((c, i) => (i === 0 ? c.padEnd(widths[i]) : c.padStart(widths[i]))).join('  '))
    .join('\n');
}

/** What its last column means. */
export const tableNote = (heldOut: number): string =>
  `FD: Fréchet distance on 96 MobileNetV2 features, ${heldOut} held-out images at 96 pixels; not FID.`;
