/** What several runs of a preset have in common: figures at the end of each stage, and bands of the curves that lead there. */
import { type PresetName, readLog, type StageLog, type StageName, type StageRow } from '../../train/index.ts';

/** The part of a run's metrics.json that is read. */
export interface Metrics {
  readonly seed: number;
  readonly heldOut: number;
  readonly stages: readonly StageRow[];
}

/** A figure over the updates of a stage: the mean of an interval, lowest, middle and highest of all seeds. */
export interface Curve {
  readonly steps: readonly number[];
  readonly low: readonly number[];
  readonly middle: readonly number[];
  readonly high: readonly number[];
}

/** Results of a preset. */
export interface Results {
  readonly preset: PresetName;
  readonly machine: string;
  readonly heldOut: number;
  readonly seeds: readonly number[];
  readonly stages: Readonly<Record<string, StageResults>>;
}
export interface StageResults {
  readonly updates: number;
  /** Loss, psnr, fd, … of each seed. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
  readonly curves: Readonly<Record<string, Curve>>;
}

/** The figures that are kept of a stage's row. */
const kept = ['loss', 'psnr', 'codesUsed', 'perplexity', 'fd', 'fdSoft', 'psnrArgmax', 'probe', 'probeReal'];
/** The curves that are drawn, where a stage logs them. */
const drawn = ['crossEntropy', 'psnr', 'spread', 'codeUse', 'margin', 'loss', 'accuracy'];
const intervals = 40;

export function resultsOf(
  preset: PresetName,
  runs: readonly { readonly metrics: Metrics; readonly folder: string }[],
  machine: string,
): Results {
  const [{ metrics }] = runs;
  const logs = runs.map(({ folder }) => readLog(folder));
  const stages = metrics.stages.map(({ name, steps }, i): [string, StageResults] => {
    const rows = runs.map((run) => run.metrics.stages[i]);
    const figures = kept
      .filter((figure) => typeof rows[0][figure] === 'number')
      .map((figure) => [figure, rows.map((row) => rounded(row[figure] as number))]);
    const curves = drawn.flatMap((figure) => {
      const curve = curveOf(
        figure,
        steps,
        logs.map((log) => log.get(name as StageName)?.updates ?? []),
      );
      return curve ? [[figure, curve] as const] : [];
    });
    return [name, { updates: steps, figures: Object.fromEntries(figures), curves: Object.fromEntries(curves) }];
  });
  return {
    preset,
    machine,
    heldOut: metrics.heldOut,
    seeds: runs.map((run) => run.metrics.seed),
    stages: Object.fromEntries(stages),
  };
}

function curveOf(figure: string, steps: number, logs: readonly StageLog['updates'][]): Curve | undefined {
  const width = Math.max(1, steps / intervals);
  const ends = Array.from({ length: Math.min(intervals, steps) }, (_, i) => Math.round((i + 1) * width));
  const points = ends.map((end) => {
    const means = logs.map((log) => {
      const values = log.filter(({ step }) => step > end - width && step <= end).map(({ figures }) => figures[figure]);
      const numbers = values.filter((value) => typeof value === 'number');
      return numbers.reduce((sum, x) => sum + x, 0) / numbers.length;
    });
    return { end, means: means.sort((a, b) => a - b) };
  });
  const known = points.filter(({ means }) => means.every(Number.isFinite));
  if (known.length === 0) return undefined;
  const at = (place: (means: number[]) => number) => known.map(({ means }) => rounded(place(means)));
  return {
    steps: known.map(({ end }) => end),
    low: at((means) => means[0]),
    middle: at(median),
    high: at((means) => means[means.length - 1]),
  };
}

/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length / 2;
  return (sorted[Math.floor(half - 0.5)] + sorted[Math.floor(half)]) / 2;
}

/** Four significant digits are enough to read. */
const rounded = (x: number): number => Number(x.toPrecision(4));
