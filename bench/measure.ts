/** Timings and ratios: sides take turns, so that a machine that grows slower or faster does so for all of them. */
import type { Side } from './side.ts';

/** The middle of some figures and how far they scatter. */
export interface Figure {
  readonly median: number;
  /** (third quartile − first) / median */
  readonly spread: number;
}

export function figureOf(samples: readonly number[]): Figure {
  const sorted = [...samples].sort((a, b) => a - b);
  /** Quantiles between two samples are interpolated: of two, the median is the mean. */
  const at = (q: number) => {
    const place = q * (sorted.length - 1);
    const [low, high] = [sorted[Math.floor(place)], sorted[Math.ceil(place)]];
    return low + (high - low) * (place % 1);
  };
  return { median: at(0.5), spread: (at(0.75) - at(0.25)) / at(0.5) };
}

export interface Turns {
  /** How often each side comes to its turn. */
  readonly rounds: number;
  /** Length of a turn; a call that takes longer is one turn. */
  readonly sliceMs: number;
}

/** Before the first round, for JavaScript engines to compile what runs often. Not counted. */
const WARM_UP_MS = 2000;

/** Milliseconds per call, one median for each side and round; every other round goes backwards. */
export async function takeTurns(sides: readonly Side[], { rounds, sliceMs }: Turns): Promise<number[][]> {
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

/** a over b, round by round. */
export const ratioOf = (a: readonly number[], b: readonly number[]): Figure => figureOf(a.map((x, i) => x / b[i]));

/**
 * The largest difference of the numbers that two sides must agree on, relative to the largest of them.
 *
 * @throws Error above the tolerance: the two did not compute the same thing, and their times do not compare
 */
export function difference(a: Side, b: Side, tolerance = 1e-3): number {
  const [x, y] = [a.hello.check, b.hello.check];
  const largest = Math.max(...y.map(Math.abs));
  const apart = Math.max(...y.map((value, i) => Math.abs(value - x[i]))) / largest;
  if (x.length === y.length && apart <= tolerance) return apart;
  throw new Error(
    `bench: expected ${a.hello.name} and ${b.hello.name} to compute the same to ${tolerance}, got ${x.slice(0, 4)} … and ${y.slice(0, 4)} … (${x.length} and ${y.length} numbers, ${apart} apart).`,
  );
}

export const round = (x: number): number => Number(x.toPrecision(4));
export const percent = (x: number): string => `±${(100 * x).toFixed(0)} %`;
