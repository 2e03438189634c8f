/** Runs a study: trains its rows with every seed, measures them, and writes the page. */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { OptionError, outermostScope } from '../core/index.ts';
import { type Dataset, LockedError, lockFolder } from '../data/index.ts';
import { loadDataset } from '../train/index.ts';
import { type Budget, type BudgetName, budgets } from './budgets.ts';
import { judge } from './claims.ts';
import type { Figures } from './figures.ts';
import { chartOf, pageOf } from './page.ts';
import { drawPictures } from './pictures.ts';
import { changeStudyResults, type Results, type RowRun, readStudyResults } from './results.ts';
import type { Row } from './row.ts';
import { durationOf } from './statistics.ts';
import type { Plan, Study } from './study.ts';
import { hashOf, isTaken, stepsOf, trained, type Workshop } from './trainings.ts';

/** Options of `runStudy`. */
export interface StudyOptions extends Pick<Workshop, 'notify' | 'train'> {
  readonly preset: BudgetName;
  /** Every row is trained with the seeds 0, 1, … */
  readonly seeds: number;
  /** 'emoji', a folder of pictures, or data files. */
  readonly data: string;
  /** The folder for NAME.md, NAME.json, NAME.svg and NAME.png. */
  readonly out: string;
  /** The folder for all trainings. */
  readonly runs: string;
  /** Keeps figures that are there. */
  readonly resume: boolean;
  /** Measures again what has been measured, whatever budget it had. */
  readonly overwrite: boolean;
  /** For the page: what it was run with, and what it ran on. */
  readonly command: string;
  readonly machine: string;
}

/**
 * Trains and measures every row of a study with every seed, and writes its page. Figures are kept after each; a study that
 * was stopped goes on with the trainings and figures that are there. Several processes that run the same study share its rows.
 *
 * @returns the results, as they stand in NAME.json
 * @throws OptionError when NAME.json has results and neither `resume` nor `overwrite` is given, or has those of another budget
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<Results> {
  const { preset, seeds, data, out, command, machine, notify } = options;
  const budget: Budget = budgets[preset];
  const plan = study.plan(budget);
  const at = (kind: string) => join(out, `${study.name}.${kind}`);
  const workshop = openWorkshop(options, budget);
  const planned = Array.from({ length: seeds }, (_, seed) =>
    plan.rows.map((row) => ({ row, run: planOf(row, seed, workshop) })),
  ).flat();
  const rows = Object.fromEntries(plan.rows.map(({ name, trainings, sampling, tokens }) => [name, { ...trainings, sampling, tokens }])); // biome-ignore format: one thought
  mkdirSync(out, { recursive: true });
  if (options.overwrite) rmSync(at('json'), { force: true });
  let results = await changeStudyResults(at('json'), (found) => {
    const before = earlier(at('json'), found, options);
    const runs = (before?.runs ?? []).filter(
      ({ key, figures }) =>
        planned.some(({ run }) => run.key === key) && study.columns.every((name) => figures[name] !== undefined),
    );
    return {
      ...{ study: study.name, preset, data, seeds, command, machine: before?.machine ?? machine },
      ...{ seconds: before?.seconds ?? 0, claims: before?.claims ?? [], rows, runs },
    };
  });

  const isMissing = ({ run }: Planned) => !results.runs.some(({ key }) => key === run.key);
  /** Trains and measures the first row that no other process is at. False when they are at all that are missing. */
  async function measureNext(): Promise<boolean> {
    for (const next of planned.filter(isMissing)) {
      const { row, run } = next;
      if (await isTaken(workshop, row.trainings, run.seed)) continue;
      const release = lockIfFree(join(options.runs, `row-${run.key}`));
      if (!release) continue;
      try {
        results = readStudyResults(at('json')) ?? results;
        if (!isMissing(next)) return true;
        notify(`${study.name}: ${row.name}, seed ${run.seed} (${progressOf(results, planned.length)})`);
        const began = performance.now();
        const figures = await measured(study, row, run.seed, workshop);
        const seconds = (performance.now() - began) / 1000;
        results = await changeStudyResults(at('json'), (found = results) =>
          withRun({ ...found, machine, seconds: found.seconds + seconds }, plan, { ...run, figures }),
        );
        return true;
      } finally {
        release();
      }
    }
    return false;
  }
  for (let isTold = false; planned.some(isMissing); ) {
    if (await measureNext()) continue;
    if (!isTold) notify(`${study.name}: other processes are at the rows that are missing: waiting for them.`);
    isTold = true;
    await setTimeout(2000);
    results = readStudyResults(at('json')) ?? results;
  }
  results = await changeStudyResults(at('json'), (found = results) => ({ ...found, claims: claimsOf(plan, found) }));
  const pictures = await drawPictures(study, plan, workshop, at('png'));
  writeFileSync(at('svg'), chartOf(study, plan, results));
  writeFileSync(at('md'), pageOf(study, results, pictures));
  return results;
}

/** '5 of 24, some 2.5 h of work left', as long as the rows before took in the mean */
function progressOf({ runs, seconds }: Results, total: number): string {
  const left =
    runs.length > 0 ? `, some ${durationOf((seconds / runs.length) * (total - runs.length))} of work left` : '';
  return `${runs.length + 1} of ${total}${left}`;
}

/** Undefined when another process holds the lock. */
function lockIfFree(folder: string): (() => void) | undefined {
  try {
    return lockFolder(folder);
  } catch (error) {
    if (error instanceof LockedError) return undefined;
    throw error;
  }
}

function openWorkshop({ data, runs, notify, train }: StudyOptions, { classes, heldOut }: Budget): Workshop {
  const options = data === 'emoji' ? { classes } : {};
  const loaded = new Map<number, Promise<Dataset>>();
  const dataset = (size: number) => {
    const found = loaded.get(size) ?? loadDataset(data, size, options);
    loaded.set(size, found);
    return found;
  };
  return { folder: runs, dataset, source: { path: data, ...options }, heldOut, notify, train };
}

/** The results to go on from. */
function earlier(
  path: string,
  found: Results | undefined,
  { resume, preset, data }: StudyOptions,
): Results | undefined {
  if (!found || found.runs.length === 0) return undefined;
  if (!resume) {
    throw new OptionError(
      `${path}: expected no results yet, got ${found.runs.length} runs of preset ${found.preset}. Go on with --resume, start again with --overwrite, or give another --out.`,
    );
  }
  for (const [name, there, now] of [
    ['preset', found.preset, preset],
    ['data', found.data, data],
  ]) {
    if (there === now) continue;
    throw new OptionError(
      `--${name}: expected ${there}, as in ${path}, got ${now}. Give another --out, or start again with --overwrite.`,
    );
  }
  return found;
}

/** A row with a seed. */
interface Planned {
  readonly row: Row;
  readonly run: Omit<RowRun, 'figures'>;
}

function planOf(row: Row, seed: number, { source, heldOut }: Workshop): Planned['run'] {
  const steps = stepsOf(row.trainings, seed, source);
  const { folder } = steps[steps.length - 1];
  const { name, sampling, tokens } = row;
  return { row: name, seed, key: hashOf({ name, folder, heldOut, sampling, tokens }), folder };
}

async function measured(study: Study, row: Row, seed: number, workshop: Workshop): Promise<Figures> {
  using _ = outermostScope(); // all models of a study would not fit into memory
  const run = await trained(workshop, row.trainings, seed);
  const found: Record<string, number | null> = Object.fromEntries(study.columns.map((name) => [name, null]));
  for (const measure of study.measures) Object.assign(found, await measure(run, row));
  return Object.fromEntries(
    Object.entries(found).map(([name, x]) => [
      name,
      x !== null && Number.isFinite(x) ? Number(x.toPrecision(5)) : null,
    ]),
  );
}

/** Runs in the order of rows and seeds, whenever they were added. */
function withRun(results: Results, { rows }: Plan, run: RowRun): Results {
  const place = ({ row, seed }: RowRun) => 1000 * rows.findIndex(({ name }) => name === row) + seed;
  return { ...results, runs: [...results.runs, run].sort((a, b) => place(a) - place(b)) };
}

/** The verdicts, as the JSON keeps them. */
export const claimsOf = ({ claims }: Plan, { runs }: Pick<Results, 'runs'>): Results['claims'] =>
  claims.map((claim) => {
    const { says, verdict } = judge(claim, runs);
    return { says, verdict };
  });
