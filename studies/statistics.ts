/** Figures of several seeds in one. */

import type { Measured } from './claims.ts';
import type { FigureName } from './figures.ts';

/** Mean and standard deviation of a figure over seeds. */
export interface Summary {
  readonly mean: number;
  /** With N − 1 in the denominator; 0 for one seed. */
  readonly deviation: number;
  readonly values: readonly number[];
}

/** A figure of a row over all its seeds; undefined when it was never a number. */
export function summaryOf(measured: Measured, row: string, figure: FigureName): Summary | undefined {
  const values = measured.flatMap((one) => {
    const value = one.row === row ? one.figures[figure] : undefined;
    return typeof value === 'number' ? [value] : [];
  });
  if (values.length === 0) return undefined;
  const mean = values.reduce((sum, x) => sum + x, 0) / values.length;
  const squares = values.reduce((sum, x) => sum + (x - mean) ** 2, 0);
  return { mean, deviation: values.length < 2 ? 0 : Math.sqrt(squares / (values.length - 1)), values };
}

/** '40 s', '25 min', '2.5 h' */
export function durationOf(seconds: number): string {
  const minutes = seconds / 60;
  if (minutes < 1) return `${seconds.toFixed(0)} s`;
  return minutes < 100 ? `${minutes.toFixed(0)} min` : `${(minutes / 60).toFixed(1)} h`;
}
