/** A workload of ours beside the same in PyTorch, which gets the better of two thread settings. */
import type { MatmulPrecision } from '../core/index.ts';
import type { BenchOptions } from './main.ts';
import { difference, type Figure, figureOf, percent, ratioOf, round, type Turns, takeTurns } from './measure.ts';
import { AbsentError, type OpTime, ours, pytorch, type Side } from './side.ts';

/** Our time over the peer's: what must hold, and what would be good. */
export interface Goal {
  readonly floor: number;
  readonly reach?: number;
}

export interface Comparison extends Turns {
  readonly bench: string;
  /** Of bench/workloads and bench/pytorch. */
  readonly file: string;
  /** The case of that file. */
  readonly name: string;
  readonly label: string;
  /** Thread counts, each with what is asked of it. */
  readonly goals: Readonly<Record<number, Goal>>;
  /** Ours also with products in 16 bits. */
  readonly high?: boolean;
  /** Images of one call, for throughput. */
  readonly images?: number;
  /** What a second thread must gain. */
  readonly speedup?: number;
  /** Lists the costliest ops of both sides. */
  readonly profile?: boolean;
  /** Left out of quick runs: building it alone takes many seconds. */
  readonly heavy?: boolean;
}

/** PyTorch with its products on `threads` and its other ops on `omp` threads: which is faster depends on the model. */
interface TorchSide {
  readonly side: Side;
  readonly threads: number;
  readonly omp: number;
}

/** Measures all thread counts and precisions in turns; prints a row for each, and what the second thread gains. */
export async function compare(c: Comparison, options: BenchOptions): Promise<void> {
  const { print, quick } = options;
  const { bench, name, label } = c;
  if (quick && c.heavy) {
    print({ bench, case: name, skipped: 'quick' }, `${label}: left out of quick runs`);
    return;
  }
  const counts = options.threads ? [options.threads] : Object.keys(c.goals).map(Number);
  const own: Own[] = [];
  const torch: TorchSide[] = [];
  try {
    for (const matmulPrecision of c.high ? (['highest', 'high'] as const) : (['highest'] as const))
      for (const threads of counts) {
        const side = await ours(c.file, name, threads, matmulPrecision);
        if (side.hello.matmulPrecision === matmulPrecision) own.push({ side, threads, matmulPrecision });
        else await side.close(); // not an x86 processor
      }
    const absent = await startTorch(c, counts, torch);
    const sides = [...own, ...torch].map(({ side }) => side);
    const apart = own.map((one) => Math.max(0, ...torch.map(({ side }) => difference(one.side, side))));
    const times = await takeTurns(sides, quick ? { rounds: 1, sliceMs: 1 } : c);

    for (const [i, one] of own.entries()) {
      const mine = { ...one, times: times[i] };
      const best = fastest(torch, one.threads, times.slice(own.length));
      if (best) await printBeside(mine, best, apart[i], c, options);
      else await printAlone(mine, absent, c, options);
    }
    if (c.speedup && counts.length === 2) {
      const gain = ratioOf(times[0], times[1]);
      const row = { bench, case: name, label: `${label}: 2 threads over 1`, speedup: round(gain.median) };
      print(
        { ...row, speedupSpread: round(gain.spread), floor: c.speedup },
        `${title(row.label)}  ${gain.median.toFixed(2)} × as fast ${percent(gain.spread)}, floor ≥ ${c.speedup}`,
      );
    }
    if (c.profile) {
      const last = fastest(torch, counts.at(-1)!, times.slice(own.length));
      listOps(await own[counts.length - 1].side.profile(), 'titok-ts', c, options);
      if (last) listOps(await last.side.profile(), 'torch', c, options);
    }
  } finally {
    for (const { side } of [...own, ...torch]) await side.close();
  }
}

/** Ours on some threads, with products in float32 or in 16 bits. */
interface Own {
  readonly side: Side;
  readonly threads: number;
  readonly matmulPrecision: MatmulPrecision;
}

interface Times {
  /** ms, one for each round */
  readonly times: readonly number[];
}

/** What is said of our side in any case. */
async function described({ side, threads, matmulPrecision, times }: Own & Times, c: Comparison) {
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

async function printAlone(mine: Own & Times, absent: string, c: Comparison, { print }: BenchOptions): Promise<void> {
  const { row, text } = await described(mine, c);
  print({ ...row, absent }, `${text}  ${absent}`);
}

async function printBeside(
  mine: Own & Times,
  torch: TorchSide & Times,
  apart: number,
  c: Comparison,
  { print }: BenchOptions,
): Promise<void> {
  const { row, text } = await described(mine, c);
  const theirs = figureOf(torch.times);
  const ratio = ratioOf(mine.times, torch.times);
  const goal = c.goals[mine.threads] ?? {};
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
      ...goal,
      peerPeakRssMiB,
      memoryRatio,
      difference: apart,
    },
    `${text}  torch${milliseconds(theirs)}  ${ratioText(ratio)}${asked(ratio, goal)}` +
      `  memory ${row.peakRssMiB} / ${peerPeakRssMiB} MiB = ${memoryRatio.toFixed(2)} ×` +
      `${row.imagesPerSecond ? `  ${row.imagesPerSecond} images/s` : ''}  same to ${apart.toExponential(0)}`,
  );
}

/** Adds PyTorch's sides to `torch`. @returns why there are none, where there are none */
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

function fastest(torch: readonly TorchSide[], threads: number, times: readonly (readonly number[])[]) {
  return torch
    .map((one, i) => ({ ...one, times: times[i] }))
    .filter((one) => one.threads === threads)
    .sort((a, b) => figureOf(a.times).median - figureOf(b.times).median)[0];
}

function listOps(ops: readonly OpTime[], side: string, { bench, name }: Comparison, { print }: BenchOptions): void {
  for (const { op, ms, calls } of ops) {
    print(
      { bench: `${bench}-op`, case: name, side, op, ms: round(ms), calls },
      `    ${side.padEnd(9)} ${op.padEnd(36)} ${ms.toFixed(1).padStart(9)} ms ${String(calls).padStart(6)} calls`,
    );
  }
}

export const timing = ({ median, spread }: Figure) => ({ ms: round(median), spread: round(spread) });
export const title = (label: string, threads?: number): string =>
  `${label.padEnd(40)} ${threads ? `${threads} thread${threads > 1 ? 's' : ' '}` : ''}`;
export const milliseconds = ({ median, spread }: Figure): string =>
  `${(median < 10 ? median.toFixed(3) : median.toFixed(0)).padStart(7)} ms ${percent(spread)}`;
const ratioText = ({ median, spread }: Figure): string => `${median.toFixed(2)} × its time ${percent(spread)}`;
const asked = ({ median }: Figure, { floor, reach }: Partial<Goal>): string =>
  floor === undefined
    ? ''
    : `, floor ≤ ${floor} ${median <= floor ? 'met' : 'missed'}${reach ? `, reach ≤ ${reach}` : ''}`;
