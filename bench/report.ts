/** Writes docs/performance.md, its charts and its figures: benchmark rows, the machine and the versions of the peers. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';
import { OptionError } from '../core/index.ts';
import { type Bar, barChart } from './chart.ts';
import type { Row } from './options.ts';

/** The content of performance.json: each benchmark by its name, its rows with where and when they were measured. */
const schema = z.record(
  z.string(),
  z.object({
    /** '2 × AMD EPYC, 24 GiB, Linux' */
    machine: z.string(),
    node: z.string(),
    date: z.string(),
    rows: z.array(z.looseObject({ bench: z.string() })),
  }),
);
type Figures = Readonly<z.output<typeof schema>>;

export const docs = fileURLToPath(new URL('../docs/', import.meta.url));

/**
 * Replaces the rows of some benchmarks in a folder's performance.json, keeps those of the others, and writes
 * performance.md and images/performance-*.svg from all of them.
 */
export function addToReport(folder: string, rows: Readonly<Record<string, readonly Row[]>>): void {
  const figures = merged(previousFigures(folder), rows);
  mkdirSync(join(folder, 'images'), { recursive: true });
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write('performance.json', `${JSON.stringify(figures, null, 1)}\n`);
  write('performance.md', page(figures));
  const all = Object.values(figures).flatMap((bench) => bench.rows);
  write(
    'images/performance-torch.svg',
    barChart({
      title: 'Our time divided by PyTorch’s on the same cores (less is better)',
      bars: all.filter((row) => row['peer'] === 'torch' && typeof row['ratio'] === 'number').map(ratioBar),
      axis: 'linear',
    }),
  );
  write(
    'images/performance-peers.svg',
    barChart({
      title: 'How many times as fast as other JavaScript libraries (more is better)',
      bars: all.filter((row) => row.bench === 'peers' && row['peer'] !== 'torch' && 'speedup' in row).map(speedupBar),
      axis: 'logarithmic',
    }),
  );
}

/** The figures in a folder. @throws OptionError when performance.json is damaged */
export function previousFigures(folder: string): Figures {
  const path = join(folder, 'performance.json');
  if (!existsSync(path)) return {};
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new OptionError(
      `${path}: expected the figures of benchmarks, got ${error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message}. Restore it, or delete it and measure all again.`,
      { cause: error },
    );
  }
}

function merged(before: Figures, rows: Readonly<Record<string, readonly Row[]>>): Figures {
  const cores = cpus();
  const now = {
    machine: `${cores.length} × ${cores[0]?.model.trim() ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${type()}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
  return {
    ...before,
    ...Object.fromEntries(Object.entries(rows).map(([name, list]) => [name, { ...now, rows: [...list] }])),
  };
}

const number = (row: Row, key: string): number => row[key] as number;

const ratioBar = (row: Row): Bar => ({
  label: `${row['label']}, ${row['threads']} thr.`,
  value: number(row, 'ratio'),
  spread: number(row, 'ratioSpread'),
});
const speedupBar = (row: Row): Bar => ({
  label: `${row['label']}, ${row['peer']}`,
  value: number(row, 'speedup'),
  spread: number(row, 'speedupSpread'),
});

/** '2 × AMD EPYC, 24 GiB, Linux; Node v20.20.2; 2026-11-25.' for all benchmarks of a place and day, or with their names. */
function placesOf(benches: Figures): string {
  const places = new Map<string, string[]>();
  for (const [name, { machine, node, date }] of Object.entries(benches)) {
    const place = `${machine}; Node ${node}; ${date}.`;
    places.set(place, [...(places.get(place) ?? []), name]);
  }
  if (places.size <= 1) return [...places.keys()].join('');
  return [...places].map(([place, names]) => `- ${names.map((name) => `\`${name}\``).join(', ')}: ${place}`).join('\n');
}

function page(benches: Figures): string {
  const rows = (name: string) => benches[name]?.rows ?? [];
  const versions = new Map(
    Object.values(benches)
      .flatMap((bench) => bench.rows)
      .filter((row) => row['peerVersion'])
      .map((row) => [row['peer'], row['peerVersion']]),
  );
  const named = [...versions].map(([name, version]) => `${name} ${version}`).join(', ');
  return `# Performance

Written by \`npm run bench -- report\`, which measures everything; \`npm run bench -- report step ops\` measures only these
two and keeps the other figures.

${placesOf(benches)}${named && `\n\nPeers: ${named}.`}

![Our time divided by PyTorch's](images/performance-torch.svg)

![Times as fast as other JavaScript libraries](images/performance-peers.svg)

## How it is measured

Every side of a comparison is a process of its own: ours, PyTorch, another library. Each side first runs for two seconds, so
that its engine has compiled the code. Then the sides take turns of some tenths of a second; only one runs at a time, and
every other round runs backwards. A ratio is computed within each round, and the table shows the median over rounds: a
machine that slows down slows both sides. Spreads (±) are interquartile ranges divided by the median. Memory is the peak
resident size of the process, ours / theirs.

Both sides start from the same weights and inputs. Before any time is measured, their results (losses of three updates,
pixels, gradients) are compared; if they differ by more than 10⁻³, relative to the largest, the benchmark stops (10⁻² for
js-pytorch, whose Adam has no bias correction).

PyTorch runs in eager mode. Its matrix products use OpenBLAS on the given number of threads; its other ops use one thread
or as many as the products, whichever is faster. PyTorch's models are written the usual way. Ours compute the same in
float32 with less work:

- The last block of an encoder computes only the latent tokens, the last block of MaskGIT only the masked tokens.
- Equal rows are computed once: rows of one class in the first step of sampling, equal tokens in the first layer's projections.
- Guidance mixes the guided and unguided hidden states before the generator's head, not the logits after it.
- Large matrix products use Strassen's algorithm, 3×3 convolutions Winograd's.

Rows with *precision high* round the operands of matrix products to 16 bits, as
\`openDevice('cpu', { matmulPrecision: 'high' })\` does and as the command line does for training and sampling. Errors are
1 to 3 · 10⁻⁴ of a typical value. That is similar to TensorFloat-32 on GPUs, except where a few values are much larger than
the rest of their row. The results still pass the comparison above. PyTorch has no such setting for float32 on CPUs.

To compare with PyTorch, run \`apt install python3-torch libopenblas0-pthread\`. Without the second package, Debian's
PyTorch multiplies with the reference BLAS, which is twenty times slower, and the benchmark refuses to compare. The
environment variable \`BENCH_PYTHON\` names another Python. To compare with the JavaScript libraries, run
\`npm ci --prefix bench/peers --ignore-scripts\`.

## Training steps: \`npm run bench -- step\`

${versus(rows('step'))}

${gains(rows('step'))}

The slowest ops of one step of the first workload on two threads, in milliseconds:

${ops(rows('step'))}

## Sampling: \`npm run bench -- sample\`

Eight guided steps from a class to tokens, then from tokens to pixels.

${versus(rows('sample'))}

## Whole models: \`npm run bench -- models\`

${versus(rows('models'))}

## Memory-bound ops: \`npm run bench -- ops\`

${versus(rows('ops'))}

## Other libraries: \`npm run bench -- peers\`

${peers(rows('peers'))}

## Time against work: \`npm run bench -- scaling\`

One transformer block, forward and backward. Growth is relative to the first row of the same kind.

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
  const head = ['work', 'threads', 'ms', 'PyTorch ms', 'ratio', 'images/s', 'memory MiB'];
  const body = rows
    .filter((row) => row['ms'] !== undefined && !row.bench.endsWith('-op'))
    .map((row) => [
      String(row['label']),
      String(row['threads']),
      ms(row['ms'], row['spread']),
      row['absent'] ? String(row['absent']) : ms(row['peerMs'], row['peerSpread']),
      row['absent'] ? '–' : times(row['ratio'], row['ratioSpread']),
      orDash(row['imagesPerSecond']),
      row['absent']
        ? String(row['peakRssMiB'])
        : `${row['peakRssMiB']} / ${row['peerPeakRssMiB']} = ${number(row, 'memoryRatio').toFixed(2)}`,
    ]);
  return table(head, body);
}

const gains = (rows: readonly Row[]): string =>
  rows
    .filter((row) => 'speedup' in row)
    .map((row) => `${row['label']}: ${times(row['speedup'], row['speedupSpread'])} times as fast.`)
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
    ['work', 'threads', 'ms', 'library', 'its ms', 'times as fast'],
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
