/** The results table: one row per stage. */
import type { StageRow } from './stage.ts';

/** Header and rows as text: numbers rounded, '–' where a stage has no figure. */
export function tableCells(rows: readonly StageRow[]): string[][] {
  const figure = (x: number | null, digits: number) => (x === null || !Number.isFinite(x) ? '–' : x.toFixed(digits));
  return [
    ['stage', 'steps', 'seconds', 'images/s', 'loss', 'PSNR', 'codes', 'perplexity', 'FD'],
    ...rows.map((r) => [
      r.name,
      figure(r.steps, 0),
      figure(r.seconds, 0),
      figure(r.imagesPerSecond, 0),
      figure(r.loss, 3),
      figure(r.psnr, 2),
      figure(r.codesUsed, 0),
      figure(r.perplexity, 0),
      figure(r.fd, 1),
    ]),
  ];
}
