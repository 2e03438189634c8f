/**
 * Measuring. `sampleCalls` times a function in this process with the library `benchmark`; `takeTurns` times processes that
 * are compared with each other. Both return milliseconds per call, and `figureOf` summarizes them.
 */
import Benchmark from 'benchmark';
import type { Side } from './side.ts';

export interface Figure {
  readonly median: number;
  /** (third quartile − first quartile) / median */
  readonly spread: number;
}

/** Median and spread of some samples. */
export function figureOf(samples: readonly number[]): Figure {
  const sorted = [...samples].sort((a, b) => a - b);
  const quantile = (q: number) => {
    const index = q * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(index)], sorted[Math.ceil(index)]];
    return low + (high - low) * (index % 1); // linear interpolation
  };
  return { median: quantile(0.5), spread: (quantile(0.75) - quantile(0.25)) / quantile(0.5) };
}

/** a / b, round by round. */
export const ratioOf = (a: readonly number[], b: readonly number[]): Figure => figureOf(a.map((x, i) => x / b[i]));

/** Milliseconds per call of a synchronous function in this process. */
export function sampleCalls(f: () => void, maxSeconds: number): Promise<readonly number[]> {
  return new Promise((resolve, reject) => {
    new Benchmark(f, {
      maxTime: maxSeconds,
      onComplete(this: Benchmark) {
        resolve(this.stats.sample.map((seconds) => 1e3 * seconds));
      },
      onError: reject,
    }).run({ async: true });
  });
}

export interface Turns {
  /** Number of turns of each side. */
  readonly rounds: number;
  /** Length of a turn; a single call may take longer. */
  readonly sliceMs: number;
}

/** Each side runs this long before the first round, so that JavaScript engines have compiled its code. */
const WARM_UP_MS = 2000;

/**
 * Times processes in turns, so that a machine that changes its speed changes it for all of them. Every other round runs
 * backwards.
 *
 * @returns for each side the median milliseconds per call of each round
 */
export async function takeTurns(
  sides: readonly Pick<Side, 'slice'>[],
  { rounds, sliceMs }: Turns,
): Promise<number[][]> {
  const times = sides.map((): number[] => []);
  if (rounds > 1) for (const side of sides) await side.slice(WARM_UP_MS);
  const order = [...sides.keys()];
  for (let round = 0; round < rounds; round++) {
    for (const i of round % 2 === 0 ? order : order.toReversed()) {
      times[i].push(figureOf(await sides[i].slice(sliceMs)).median);
    }
  }
  return times;
}
