/** Repeated timings and what is said of them. */
import { performance } from 'node:perf_hooks';

export interface Timing {
  readonly median: number; // ms
  readonly best: number; // ms
  /** (third quartile − first) / median */
  readonly spread: number;
}

export function timingOf(samples: readonly number[]): Timing {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (q: number) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!;
  return { median: at(0.5), best: sorted[0]!, spread: (at(0.75) - at(0.25)) / at(0.5) };
}

/** Wall time of f in milliseconds, after `warmup` calls that are not counted. */
export async function time(f: () => unknown, { runs, warmup = 2 }: { runs: number; warmup?: number }): Promise<Timing> {
  for (let i = 0; i < warmup; i++) await f();
  const samples: number[] = [];
  for (let i = 0; i < runs; i++) {
    const start = performance.now();
    await f();
    samples.push(performance.now() - start);
  }
  return timingOf(samples);
}
