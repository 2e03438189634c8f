/** docs/performance.md, its charts and its figures: what the benchmarks printed, on which machine, beside which versions. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Bar, barChart } from './chart.ts';
import type { Row } from './main.ts';

/** The rows of each benchmark and when they were taken. */
export interface Figures {
  readonly machine: string;
  readonly node: string;
  readonly benches: Readonly<Record<string, { readonly date: string; readonly rows: readonly Row[] }>>;
}

export const docs = fileURLToPath(new URL('../docs/', import.meta.url));

/** What stands in a folder's performance.json, with these benchmarks in place of older ones of the same names. */
export function saved(folder: string, rows: Readonly<Record<string, readonly Row[]>>): Figures {
  let before: Partial<Figures> = {};
  try {
    before = JSON.parse(readFileSync(join(folder, 'performance.json'), 'utf8')) as Figures;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  const date = new Date().toISOString().slice(0, 10);
  const cores = cpus();
  return {
    machine: `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()}`,
    node: process.version,
    benches: {
      ...before.benches,
      ...Object.fromEntries(Object.entries(rows).map(([name, list]) => [name, { date, rows: list }])),
    },
  };
}

/** Writes performance.json, performance.md and images/performance-*.svg into a folder. */
export function writeReport(folder: string, figures: Figures): void {
  mkdirSync(join(folder, 'images'), { recursive: true });
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write('performance.json', `${JSON.stringify(figures, null, 1)}\n`);
  write('performance.md', page(figures));
  const rows = Object.values(figures.benches).flatMap((bench) => bench.rows);
  write(
    'images/performance-torch.svg',
    barChart({
      title: 'Our time over PyTorch’s on the same cores (less is better; ticks: what was asked)',
      bars: rows.filter((row) => row['peer'] === 'torch' && typeof row['ratio'] === 'number').map(ratioBar),
      axis: 'linear',
    }),
  );
  write(
    'images/performance-peers.svg',
    barChart({
      title: 'How many times as fast as other JavaScript libraries (more is better; ticks: what was asked)',
      bars: rows.filter((row) => row.bench === 'peers' && row['peer'] !== 'torch' && 'speedup' in row).map(speedBar),
      axis: 'logarithmic',
    }),
  );
}

const number = (row: Row, key: string): number => row[key] as number;
const optional = (row: Row, key: string): number | undefined => row[key] as number | undefined;

const ratioBar = (row: Row): Bar => ({
  label: `${row['label']}, ${row['threads']} thr.`,
  value: number(row, 'ratio'),
  spread: number(row, 'ratioSpread'),
  mark: optional(row, 'floor'),
  met: number(row, 'ratio') <= (optional(row, 'floor') ?? Infinity),
});
const speedBar = (row: Row): Bar => ({
  label: `${row['label']}, ${row['peer']}`,
  value: number(row, 'speedup'),
  spread: number(row, 'speedupSpread'),
  mark: optional(row, 'floor'),
  met: number(row, 'speedup') >= (optional(row, 'floor') ?? 0),
});

export function page({ machine, node, benches }: Figures): string {
  const dates = [...new Set(Object.values(benches).map(({ date }) => date))].sort();
  const rows = (name: string) => benches[name]?.rows ?? [];
  const versions = new Map(
    Object.values(benches)
      .flatMap((bench) => bench.rows)
      .filter((row) => row['peerVersion'])
      .map((row) => [row['peer'], row['peerVersion']]),
  );
  const named = [...versions].map(([name, version]) => `${name} ${version}`).join(', ');
  return `# Performance

Written by \`npm run bench -- report\`, which takes all figures anew; \`npm run bench -- report step ops\` takes only those.

${machine}; Node ${node}${named && `; ${named}`}; ${dates.join(' to ')}.

![Time over PyTorch's](images/performance-torch.svg)

![Times as fast as other JavaScript libraries](images/performance-peers.svg)

## How it is measured

Each side is a process of its own: ours, PyTorch, another library. Each runs for two seconds first, so that its engine has
compiled what runs often. Then they take turns, some tenths of a second each, and never run at once; every other round goes
backwards. A ratio is the median over rounds of the ratio within a round, so that
a machine which slows down slows both. Spreads (±) are interquartile ranges over the median. Memory is the peak of a
process, ours / theirs.

Both sides start from the same weights and inputs, and the numbers that come out – losses of three updates, pixels,
gradients – are compared before any time is taken: beyond a relative 10⁻³ there is no row. PyTorch runs in eager mode, its
products in OpenBLAS on the given threads, its other ops on one thread or as many, whichever is faster. Ours leaves out
what nobody reads (the last block of an encoder works for its latent tokens only, that of MaskGIT for masked tokens), computes
once what is the same (rows of a class in the first step of sampling, tokens in the first layer's projections), mixes
guided and unguided before the generator's head rather than after it, and takes fewer multiplications for large products
(Strassen) and 3×3 convolutions (Winograd), all in float32; PyTorch's models are written as usual. Rows of *precision high*
round the operands of matrix products to 16 bits, \`openDevice('cpu', { matmulPrecision: 'high' })\`, as the command line's trainings and
samples do: errors are 1 to 3 · 10⁻⁴ of a usual value, like those of TensorFloat-32 on GPUs unless a few values tower over
their row, and the numbers that both sides must agree on still do. PyTorch has no such setting for float32 on CPUs.

For figures beside PyTorch: \`apt install python3-torch libopenblas0-pthread\`. Without the second package Debian's PyTorch
multiplies with a reference BLAS, twenty times slower, and the benchmark refuses it. \`BENCH_PYTHON\` names another Python. For the
libraries: \`npm ci --prefix bench/peers --ignore-scripts\`.

## Training steps: \`npm run bench -- step\`

${versus(rows('step'))}

${gains(rows('step'))}

The costliest ops of one step of the first row, in milliseconds:

${ops(rows('step'))}

## Sampling: \`npm run bench -- sample\`

Eight guided steps from class to tokens, then tokens to pixels.

${versus(rows('sample'))}

## Whole models: \`npm run bench -- models\`

${versus(rows('models'))}

## Memory-bound ops: \`npm run bench -- ops\`

${versus(rows('ops'))}

## Other libraries: \`npm run bench -- peers\`

${peers(rows('peers'))}

## Time against work: \`npm run bench -- scaling\`

One block, forward and backward; both columns of growth are over the first row of their kind.

${scaling(rows('scaling'))}

## Matrix products: \`npm run bench -- gemm\`

${gemm(rows('gemm'))}
`;
}

// ---- tables --------------------------------------------------------------------------------------------------------

function table(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  if (body.length === 0) return 'No figures yet.';
  return [line(head), line(head.map((_, i) => (i === 0 ? '---' : '--:'))), ...body.map(line)].join('\n');
}

const ms = (value: unknown, spread: unknown): string =>
  `${Number(value) < 10 ? Number(value).toFixed(2) : Number(value).toFixed(0)} ±${(100 * Number(spread)).toFixed(0)} %`;
const times = (value: unknown, spread: unknown): string =>
  `**${Number(value) < 10 ? Number(value).toFixed(2) : Number(value).toFixed(0)}** ±${(100 * Number(spread)).toFixed(0)} %`;
const orDash = (value: unknown): string => (value === undefined ? '–' : String(value));

function versus(rows: readonly Row[]): string {
  const head = ['work', 'threads', 'ms', 'PyTorch ms', 'ratio', 'floor', 'reach', 'images/s', 'memory MiB'];
  const body = rows
    .filter((row) => row['ms'] !== undefined && !row.bench.endsWith('-op'))
    .map((row) => [
      String(row['label']),
      String(row['threads']),
      ms(row['ms'], row['spread']),
      row['absent'] ? String(row['absent']) : ms(row['peerMs'], row['peerSpread']),
      row['absent'] ? '–' : times(row['ratio'], row['ratioSpread']),
      row['floor'] === undefined ? '–' : `≤ ${row['floor']}`,
      row['reach'] === undefined ? '–' : `≤ ${row['reach']}`,
      orDash(row['imagesPerSecond']),
      row['absent']
        ? String(row['peakRssMiB'])
        : `${row['peakRssMiB']} / ${row['peerPeakRssMiB']} = ${row['memoryRatio']}`,
    ]);
  return table(head, body);
}

const gains = (rows: readonly Row[]): string =>
  rows
    .filter((row) => 'speedup' in row)
    .map(
      (row) =>
        `${row['label']}: ${times(row['speedup'], row['speedupSpread'])} times as fast (asked: ≥ ${row['floor']}).`,
    )
    .join('\n');

function ops(rows: readonly Row[]): string {
  const of = (side: string) => rows.filter((row) => row.bench === 'step-op' && row['side'] === side);
  const [own, theirs] = [of('titok-ts'), of('torch')];
  const cells = (row: Row | undefined) => (row ? [`${row['op']} (${row['calls']})`, String(row['ms'])] : ['', '']);
  return table(
    ['ours (calls)', 'ms', 'PyTorch (calls)', 'ms'],
    own.map((row, i) => [...cells(row), ...cells(theirs[i])]),
  );
}

const peers = (rows: readonly Row[]): string =>
  table(
    ['work', 'threads', 'ms', 'library', 'its ms', 'times as fast', 'floor'],
    rows.map((row) => [
      String(row['label']),
      String(row['threads']),
      ...(row['absent']
        ? ['–', String(row['peer']), String(row['absent']), '–']
        : [
            ms(row['ms'], row['spread']),
            String(row['peer']),
            ms(row['peerMs'], row['peerSpread']),
            times(row['speedup'], row['speedupSpread']),
          ]),
      row['floor'] === undefined ? '–' : `≥ ${row['floor']}`,
    ]),
  );

const scaling = (rows: readonly Row[]): string =>
  table(
    ['size', 'threads', 'ms', 'GFLOP/s', 'time grows', 'work grows', 'time / work'],
    rows.map((row) => [
      String(row['label']),
      String(row['threads']),
      ms(row['ms'], row['spread']),
      String(row['gflops']),
      `× ${row['timeGrowth']} ±${(100 * number(row, 'timeGrowthSpread')).toFixed(0)} %`,
      `× ${row['workGrowth']}`,
      times(row['ratio'], row['timeGrowthSpread']),
    ]),
  );

const gemm = (rows: readonly Row[]): string =>
  table(
    ['shape', 'threads', 'precision', 'GFLOP/s', 'ms'],
    rows.map((row) => [
      (row['shape'] as number[]).join(' × '),
      String(row['threads']),
      String(row['matmulPrecision']),
      String(row['gflops']),
      ms(row['ms'], row['spread']),
    ]),
  );
