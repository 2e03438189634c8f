/** Runs a study: trains its rows with every seed, measures them, and writes the page. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { OptionError, outermostScope } from '../core/index.ts';
import { type Dataset, LockedError, lockFolder, writeFileAtomic } from '../data/index.ts';
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
import { hashOf, loadPictures, stepsOf, takenBy, trained, type Workshop } from './trainings.ts';

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
 * @throws DataError for pictures that cannot be read; results stay as they are
 * @throws OptionError when NAME.json has results and neither `resume` nor `overwrite` is given, or has those of another budget
 */
export async function runStudy(study: Study, options: StudyOptions): Promise<Results> {
  const { preset, seeds, data, out, resume, command, machine, notify } = options;
  const budget: Budget = budgets[preset];
  const plan = study.plan(budget);
  const at = (kind: string) => join(out, `${study.name}.${kind}`);
  const workshop = openWorkshop(options, budget);
  const planned = Array.from({ length: seeds }, (_, seed) =>
    plan.rows.map((row) => ({ row, run: planOf(row, seed, workshop) })),
  ).flat();
  const rows = Object.fromEntries(plan.rows.map(({ name, trainings, sampling, tokens }) => [name, { ...trainings, sampling, tokens }])); // biome-ignore format: one thought
  mkdirSync(out, { recursive: true });
  if (options.overwrite || !existsSync(at('json'))) await loadPictures(workshop, plan.rows[0].trainings);
  const change = (make: (found: Results | undefined) => Results, again = false) => {
    const checked = (found: Results | undefined) => {
      if (found) expectSame(at('json'), found, { ...options, study: study.name });
      return make(found);
    };
    return changeStudyResults(at('json'), waitingFor(notify), checked, again);
  };
  let results = await change((found) => {
    if (found && found.runs.length > 0 && !resume) {
      throw new OptionError(
        `${at('json')}: expected no results yet, got ${found.runs.length} runs of preset ${found.preset}. Go on with --resume, start again with --overwrite, or give another --out.`,
      );
    }
    const isWanted = ({ row: name, seed, key, figures }: RowRun) => {
      const row = plan.rows.find((row) => row.name === name);
      const isAsPlanned = row !== undefined && planOf(row, seed, workshop).key === key;
      return isAsPlanned && study.columns.every((name) => figures[name] !== undefined);
    };
    const isLarger = found !== undefined && found.seeds > seeds; // of another process, or another time
    return {
      ...{ study: study.name, preset, data, seeds: isLarger ? found.seeds : seeds },
      ...{ command: isLarger ? found.command : command, machine: found?.machine ?? machine },
      ...{ seconds: found?.seconds ?? 0, claims: found?.claims ?? [], rows },
      runs: (found?.runs ?? []).filter(isWanted),
    };
  }, options.overwrite);

  const isMissing = ({ run }: Planned) => !results.runs.some(({ key }) => key === run.key);
  /** Trains and measures the first row that no other process is at. @returns what says who has the first one, when all are taken */
  async function measureNext(): Promise<LockedError | undefined> {
    let taken: LockedError | undefined;
    for (const next of planned.filter(isMissing)) {
      const { row, run } = next;
      const release = (await takenBy(workshop, row.trainings, run.seed)) ?? lockRow(options.runs, run.key);
      if (release instanceof LockedError) {
        taken ??= release;
        continue;
      }
      try {
        results = readStudyResults(at('json')) ?? results;
        if (!isMissing(next)) return undefined;
        notify(`${study.name}: ${row.name}, seed ${run.seed} (${progressOf(results, planned.length)})`);
        const began = performance.now();
        const figures = await measured(study, row, run.seed, workshop);
        const seconds = (performance.now() - began) / 1000;
        results = await change((found = results) =>
          withRun({ ...found, machine, seconds: found.seconds + seconds }, plan, { ...run, figures }),
        );
        return undefined;
      } finally {
        release();
      }
    }
    return taken;
  }
  const wait = waitingFor((why) => notify(`${study.name}: other processes are at all rows that are missing. ${why}`));
  while (planned.some(isMissing)) {
    const taken = await measureNext();
    if (!taken) continue;
    wait(taken);
    await setTimeout(2000);
    results = readStudyResults(at('json')) ?? results;
  }
  results = await change((found = results) => ({ ...found, claims: claimsOf(plan, found) }));
  const pictures = await drawPictures(study, plan, workshop, at('png'));
  const write = (extension: string, text: string) => writeFileAtomic(at(extension), [new TextEncoder().encode(text)]);
  write('svg', chartOf(study, plan, results));
  write('md', pageOf(study, results, pictures));
  return results;
}

/** '5 of 24, some 2.5 h of work left', as long as the rows before took in the mean */
function progressOf({ runs, seconds }: Results, total: number): string {
  const left =
    runs.length > 0 ? `, some ${durationOf((seconds / runs.length) * (total - runs.length))} of work left` : '';
  return `${runs.length + 1} of ${total}${left}`;
}

/** The lock of a row, or what says who has it. */
function lockRow(runs: string, key: string): (() => void) | LockedError {
  try {
    return lockFolder(join(runs, '.rows', key));
  } catch (error) {
    if (error instanceof LockedError) return error;
    throw error;
  }
}

const patienceMs = 5000;

/** Says who holds a lock that has been waited for, once, and not at once. */
function waitingFor(notify: (message: string) => void): (why: LockedError) => void {
  const since = performance.now();
  let isTold = false;
  return ({ message }) => {
    if (isTold || performance.now() - since < patienceMs) return;
    isTold = true;
    notify(`Waiting: ${message}`);
  };
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

/** @throws OptionError for results of another study, of another budget or other pictures, which those of these options would mix with */
function expectSame(path: string, found: Results, { study, preset, data }: StudyOptions & { study: string }): void {
  if (found.study !== study) {
    throw new OptionError(
      `${path}: expected the results of study ${study}, got those of ${found.study}. Give another --out, or --overwrite.`,
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
  const others = results.runs.filter((one) => place(one) !== place(run)); // another process may have measured it, too
  return { ...results, runs: [...others, run].sort((a, b) => place(a) - place(b)) };
}

/** The verdicts, as the JSON keeps them. */
export const claimsOf = ({ claims }: Plan, { runs }: Pick<Results, 'runs'>): Results['claims'] =>
  claims.map((claim) => {
    const { says, verdict } = judge(claim, runs);
    return { says, verdict };
  });
