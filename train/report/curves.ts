/** Curves of a run's log, thinned to what a page or a terminal can show, and the ticks of their axes. */
import type { StageLog } from '../log.ts';

/** A figure after some updates. */
export interface Point {
  readonly step: number;
  readonly value: number;
}

/** A figure of a stage over its updates: while training, and on held-out images. */
export interface Curve {
  readonly train: readonly Point[];
  readonly heldOut: readonly Point[];
}

/** The curve of one figure. Values that are NaN or infinite are left out. */
export function curveOf({ updates, heldOut }: StageLog, figure: string): Curve {
  const points = (entries: StageLog['heldOut']): Point[] =>
    entries.flatMap(({ step, figures }) =>
      Number.isFinite(figures[figure]) ? [{ step, value: figures[figure] }] : [],
    );
  return { train: points(updates), heldOut: points(heldOut) };
}

/** The figures that a stage logged, in the order of the log. */
export function figuresOf({ updates, heldOut }: StageLog): string[] {
  return [...new Set([...updates, ...heldOut].flatMap(({ figures }) => Object.keys(figures)))];
}

/** Means over at most `most` equal ranges of updates, each at the mean of its steps. */
export function binned(points: readonly Point[], most: number): Point[] {
  if (points.length <= most) return [...points];
  const first = points[0].step;
  const width = (points[points.length - 1].step - first + 1) / most;
  const bins: Point[][] = [];
  for (const point of points) {
    const at = Math.floor((point.step - first) / width);
    bins[at] ??= [];
    bins[at].push(point);
  }
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  return Object.values(bins).map((bin) => ({
    step: mean(bin.map(({ step }) => step)),
    value: mean(bin.map(({ value }) => value)),
  }));
}

/**
 * The values that a picture of curves should show.
 *
 * @param early  the share of the updates in which what is far outside may leave the frame, as losses fall steeply there
 */
export function rangeOf(curves: readonly (readonly Point[])[], early = 0.05): readonly [low: number, high: number] {
  const last = Math.max(1, ...curves.map((points) => points.at(-1)?.step ?? 0));
  const all = curves.flat();
  const later = all.filter(({ step }) => step > early * last);
  const values = (later.length > 0 ? later : all).map(({ value }) => value);
  const [low, high] = values.reduce(([a, b], x) => [Math.min(a, x), Math.max(b, x)], [Infinity, -Infinity]);
  if (!Number.isFinite(low)) return [0, 1];
  const margin = 0.05 * (high - low) || 0.05 * Math.abs(high) || 1;
  return [low - margin, high + margin];
}

/** About `count` round numbers from low to high: multiples of 1, 2 or 5 times a power of ten. */
export function ticks(low: number, high: number, count: number): number[] {
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5].find((n) => n * power >= rough) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: Math.max(0, last - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}

/** A number in few letters: 0.00021 → '2.1e-4', 1500 → '1,500', 2.450 → '2.45' */
export function shortNumber(x: number): string {
  if (x === 0) return '0';
  const size = Math.abs(x);
  if (size >= 1e7 || size < 1e-3)
    return x
      .toExponential(2)
      .replace(/\.?0+e/, 'e')
      .replace('e+', 'e');
  if (size >= 1000) return Math.round(x).toLocaleString('en');
  return String(Number(x.toPrecision(4)));
}
