/**
 * `npm run stress -- --minutes N [--trials N] [--only KIND,…] [--seed S]`: kills, full disks, closed pipes, damaged files and random options, until the
 * time is up. Every trial must end in success, or in a message and a status other than 0; nothing that was saved is lost.
 * Exit status: 0, or 1 when a case failed.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { OptionError, suggestion } from '../../core/index.ts';
import { reading, runTool } from '../../tools/command.ts';
import { count, positive, updates } from '../../train/settings.ts';
import type { Kind } from './kind.ts';
import { kinds } from './kinds.ts';
import { Worker } from './worker.ts';

interface Options {
  readonly minutes: number;
  readonly trials?: number;
  readonly seed?: number;
  readonly only?: readonly Kind[];
  readonly case?: { readonly kind: Kind; readonly number: number };
}

/** What became of the cases of a kind. */
interface Tally {
  readonly kind: Kind;
  cases: number;
  trials: number;
  failures: number;
  ms: number;
  readonly endings: Record<string, number>;
  readonly skipped: string | undefined;
}

async function stress({ minutes, trials, seed = Date.now() % 1_000_000, only, case: one }: Options): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'titok-stress-'));
  const worker = new Worker(folder);
  const tallies: Tally[] = (one ? [one.kind] : (only ?? kinds)).map((kind) => ({
    ...{ kind, cases: 0, trials: 0, failures: 0, ms: 0, endings: {} },
    skipped: kind.skip?.(),
  }));
  const open = tallies.filter(({ skipped }) => skipped === undefined);
  console.log(`seed ${seed}`);
  try {
    if (open.some(({ kind }) => !kind.standsAlone)) await worker.prepare();
    const end = performance.now() + 60_000 * minutes;
    if (one) for (const tally of open) await run(worker, tally, seed, one.number);
    const due = () => open.filter((tally) => trials === undefined || tally.trials < trials);
    while (!one && due().length > 0 && (trials !== undefined || performance.now() < end)) {
      const [next] = due().sort((a, b) => a.ms / a.kind.share - b.ms / b.kind.share);
      await run(worker, next, seed, next.cases);
    }
  } finally {
    worker.close();
    rmSync(folder, { recursive: true, force: true });
  }
  console.log(table(tallies));
  const sum = (of: 'trials' | 'failures') => tallies.reduce((total, tally) => total + tally[of], 0);
  console.log(`seed ${seed}: ${sum('trials')} trials, ${sum('failures')} failed cases`);
  process.exitCode = sum('failures') > 0 ? 1 : 0;
}

async function run(worker: Worker, tally: Tally, seed: number, number: number): Promise<void> {
  const { name, trials = 1 } = tally.kind;
  const started = performance.now();
  const { endings, failure } = await worker.run({ kind: name, seed, number });
  tally.ms += performance.now() - started;
  tally.cases++;
  tally.trials += trials;
  for (const [ending, times] of Object.entries(endings)) tally.endings[ending] = (tally.endings[ending] ?? 0) + times;
  if (failure === undefined) return;
  tally.failures++;
  console.log(`FAILED ${name}, case ${number}: ${failure}`);
  console.log(`  again: npm run stress -- --seed ${seed} --case ${name}:${number}`);
}

function table(tallies: readonly Tally[]): string {
  const rows = tallies.map(({ kind, cases, trials, failures, ms, endings, skipped }) => {
    const ended = Object.entries(endings).sort(([, a], [, b]) => b - a);
    const how = skipped ? `skipped: ${skipped}` : ended.map(([ending, times]) => `${ending} ${times}`).join(', ');
    return [kind.name, kind.about, `${cases}`, `${trials}`, `${failures}`, `${(ms / 1000).toFixed(0)}`, how];
  });
  const cells = [['kind', 'what', 'cases', 'trials', 'failed', 'seconds', 'endings'], ...rows];
  const widths = cells[0].map((_, i) => Math.max(...cells.map((row) => row[i].length)));
  const padded = (cell: string, i: number) => (i >= 2 && i <= 5 ? cell.padStart(widths[i]) : cell.padEnd(widths[i]));
  return cells.map((row) => row.map(padded).join('  ').trimEnd()).join('\n');
}

function kindOf(option: string, name: string): Kind {
  const kind = kinds.find((kind) => kind.name === name);
  if (kind) return kind;
  const names = kinds.map(({ name }) => name);
  throw new OptionError(`${option}: expected one of ${names.join(', ')}, got '${name}'${suggestion(name, names)}.`);
}

function caseOf(text: string): Options['case'] {
  const [name, number, ...more] = text.split(':');
  const kind = kindOf('--case', name);
  if (!/^\d+$/.test(number ?? '') || more.length > 0)
    throw new OptionError(`--case: expected a kind and a number, as ${name}:7, got '${text}'.`);
  return { kind, number: Number(number) };
}

const program = new Command('npm run stress --')
  .description('Kills, full disks, closed pipes, damaged files and random options, until the time is up.')
  .option('--minutes <number>', 'how long', reading('--minutes', positive(1, 'how long')), 1)
  .option('--trials <number>', 'how many of each kind, however long', reading('--trials', updates(1, 'how many')))
  .option(
    '--seed <number>',
    'which trials; default: from the clock',
    reading('--seed', count(0, 'which trials', { least: 0 })),
  )
  .option('--only <kinds>', `some of ${kinds.map(({ name }) => name).join(', ')}; with commas`, (text: string) =>
    text.split(',').map((name) => kindOf('--only', name)),
  )
  .option('--case <kind:number>', 'one case again, as a failure names it', caseOf)
  .allowExcessArguments(false)
  .action(stress);

await runTool(program, 2);
