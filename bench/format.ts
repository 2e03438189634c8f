/** How figures look in rows of JSON and in lines of text. */
import type { Figure } from './measure.ts';

export const round = (x: number): number => Number(x.toPrecision(4));
export const percent = (x: number): string => `±${(100 * x).toFixed(0)} %`;
export const timing = ({ median, spread }: Figure) => ({ ms: round(median), spread: round(spread) });
export const title = (label: string, threads?: number): string =>
  `${label.padEnd(40)} ${threads ? `${threads} thread${threads > 1 ? 's' : ' '}` : ''}`;
export const milliseconds = ({ median, spread }: Figure): string =>
  `${(median < 10 ? median.toFixed(3) : median.toFixed(0)).padStart(7)} ms ${percent(spread)}`;
