/** Compares one of our workloads with the same workload in PyTorch. */
import type { MatmulPrecision } from '../core/index.ts';
import { milliseconds, percent, round, timing, title } from './format.ts';
import { AbsentError, ours, pytorch } from './launch.ts';
import { figureOf, ratioOf, type Turns, takeTurns } from './measure.ts';
import type { BenchOptions } from './options.ts';
import { difference, type OpTime, type Side } from './side.ts';

/** Limits for the ratio of our time to PyTorch's, kept in the JSON rows: one that must hold, one worth reaching. */
export interface Targets {
  readonly floor: number;
  readonly reach?: number;
}

export interface Comparison extends Turns {
  readonly bench: string;
  /** A file of bench/workloads and bench/pytorch. */
  readonly file: string;
  /** The case in that file. */
  readonly name: string;
  readonly label: string;
  /** By number of threads. Without --threads, these are the numbers that are measured. */
  readonly targets: Readonly<Record<number, Targets>>;
  /** Measures ours with matmulPrecision 'high' too, except in quick runs. */
  readonly high?: boolean;
  /** Images per call, for images/s. */
  readonly images?: number;
  /** Reports our gain from a second thread; the number is its target. */
  readonly speedup?: number;
  /** Lists the slowest ops of both sides. */
  readonly profile?: boolean;
  /** Skips the comparison in quick runs, because it takes many seconds. */
  readonly heavy?: boolean;
}

interface OurSide {
  readonly side: Side;
  readonly threads: number;
  readonly matmulPrecision: MatmulPrecision;
}

/** PyTorch with matrix products on `threads` and other ops on `omp` threads. Which is faster depends on the model. */
interface TorchSide {
  readonly side: Side;
  readonly threads: number;
  readonly omp: number;
}

interface Times {
  /** Milliseconds, one per round. */
  readonly times: readonly number[];
}

/** Measures all thread counts and precisions in turns, and prints a row for each. */
export async function compare(c: Comparison, options: BenchOptions): Promise<void> {
  const { print, quick } = options;
  const { bench, name, label } = c;
  if (quick && c.heavy) {
    print({ bench, case: name, skipped: 'quick' }, `${label}: skipped in quick runs`);
    return;
  }
  const counts = options.threads ? [options.threads] : Object.keys(c.targets).map(Number);
  const own: OurSide[] = [];
  const torch: TorchSide[] = [];
  try {
    for (const matmulPrecision of c.high && !quick ? (['highest', 'high'] as const) : (['highest'] as const))
      for (const threads of counts) {
        const side = await ours(c.file, name, threads, matmulPrecision);
        if (side.hello.matmulPrecision === matmulPrecision) own.push({ side, threads, matmulPrecision });
        else await side.close(); // precision high needs an x86 processor
      }
    const absent = await startTorch(c, counts, torch);
    const sides = [...own, ...torch].map(({ side }) => side);
    const differences = own.map((one) => Math.max(0, ...torch.map(({ side }) => difference(one.side, side))));
    const times = await takeTurns(sides, quick ? { rounds: 1, sliceMs: 1 } : c);

    for (const [i, one] of own.entries()) {
      const mine = { ...one, times: times[i] };
      const best = fastest(torch, one.threads, times.slice(own.length));
      if (best) await printBeside(mine, best, differences[i], c, options);
      else await printAlone(mine, absent, c, options);
    }
    if (c.speedup && counts.length === 2) {
      const gain = ratioOf(times[0], times[1]);
      const row = { bench, case: name, label: `${label}: 2 threads over 1`, speedup: round(gain.median) };
      print(
        { ...row, speedupSpread: round(gain.spread), floor: c.speedup },
        `${title(row.label)}  ${gain.median.toFixed(2)} × as fast ${percent(gain.spread)}`,
      );
    }
    if (c.profile) {
      const last = fastest(torch, counts.at(-1)!, times.slice(own.length));
      printOps(await own[counts.length - 1].side.profile(), 'titok-ts', c, options);
      if (last) printOps(await last.side.profile(), 'torch', c, options);
    }
  } finally {
    for (const { side } of [...own, ...torch]) await side.close();
  }
}

/** Appends PyTorch's sides to `torch`. Returns why PyTorch is absent, or ''. */
async function startTorch(c: Comparison, counts: readonly number[], torch: TorchSide[]): Promise<string> {
  try {
    for (const threads of counts) {
      for (const omp of new Set([1, threads])) {
        torch.push({ side: await pytorch(c.file, c.name, threads, omp), threads, omp });
      }
    }
    return '';
  } catch (error) {
    if (error instanceof AbsentError) return error.message;
    throw error;
  }
}

/** PyTorch's fastest setting for a number of threads. */
function fastest(torch: readonly TorchSide[], threads: number, times: readonly (readonly number[])[]) {
  return torch
    .map((one, i) => ({ ...one, times: times[i] }))
    .filter((one) => one.threads === threads)
    .sort((a, b) => figureOf(a.times).median - figureOf(b.times).median)[0];
}

async function printAlone(
  mine: OurSide & Times,
  absent: string,
  c: Comparison,
  { print }: BenchOptions,
): Promise<void> {
  const { row, text } = await ourRow(mine, c);
  print({ ...row, absent }, `${text}  ${absent}`);
}

async function printBeside(
  mine: OurSide & Times,
  torch: TorchSide & Times,
  apart: number,
  c: Comparison,
  { print }: BenchOptions,
): Promise<void> {
  const { row, text } = await ourRow(mine, c);
  const theirs = figureOf(torch.times);
  const ratio = ratioOf(mine.times, torch.times);
  const peerPeakRssMiB = await torch.side.peakRssMiB();
  const memoryRatio = round(row.peakRssMiB / peerPeakRssMiB);
  print(
    {
      ...row,
      peer: 'torch',
      peerVersion: torch.side.hello.version,
      peerMs: round(theirs.median),
      peerSpread: round(theirs.spread),
      ompThreads: torch.omp,
      ratio: round(ratio.median),
      ratioSpread: round(ratio.spread),
      ...c.targets[mine.threads],
      peerPeakRssMiB,
      memoryRatio,
      difference: apart,
    },
    `${text}  torch${milliseconds(theirs)}  ${ratio.median.toFixed(2)} × its time ${percent(ratio.spread)}` +
      `  memory ${row.peakRssMiB} / ${peerPeakRssMiB} MiB = ${memoryRatio.toFixed(2)} ×` +
      `${row.imagesPerSecond ? `  ${row.imagesPerSecond} images/s` : ''}  same to ${apart.toExponential(0)}`,
  );
}

/** The part of a row that describes our side alone. */
async function ourRow({ side, threads, matmulPrecision, times }: OurSide & Times, c: Comparison) {
  const { bench, name, images } = c;
  const label = matmulPrecision === 'high' ? `${c.label}, precision high` : c.label;
  const time = figureOf(times);
  const row = {
    bench,
    case: name,
    label,
    threads,
    matmulPrecision,
    ...timing(time),
    ...(images && { imagesPerSecond: round((1e3 * images) / time.median) }),
    peakRssMiB: await side.peakRssMiB(),
    parameters: side.hello.parameters,
  };
  return { row, text: `${title(label, threads)}${milliseconds(time)}` };
}

function printOps(ops: readonly OpTime[], side: string, { bench, name }: Comparison, { print }: BenchOptions): void {
  for (const { op, ms, calls } of ops) {
    print(
      { bench: `${bench}-op`, case: name, side, op, ms: round(ms), calls },
      `    ${side.padEnd(9)} ${op.padEnd(36)} ${ms.toFixed(1).padStart(9)} ms ${String(calls).padStart(6)} calls`,
    );
  }
}
