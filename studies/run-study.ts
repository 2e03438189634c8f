/** Runs a study: trains its rows with every seed, measures them, and writes the page. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OptionError, outermostScope } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import { loadDataset } from '../train/index.ts';
import { type Budget, type BudgetName, budgets } from './budgets.ts';
import { judge } from './claims.ts';
import type { Figures } from './figures.ts';
import { chartOf, pageOf } from './page.ts';
import { drawPictures } from './pictures.ts';
import { type Results, type RowRun, readStudyResults, writeStudyResults } from './results.ts';
import type { Row } from './row.ts';
import type { Plan, Study } from './study.ts';
import { hashOf, stepsOf, trained, type Workshop } from './trainings.ts';

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
 * was stopped goes on with the trainings and figures that are there.
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
  const found = earlier(at('json'), options);
  const runs = (found?.runs ?? []).filter(
    ({ key, figures }) =>
      planned.some(({ run }) => run.key === key) && study.columns.every((name) => figures[name] !== undefined),
  );
  const rows = Object.fromEntries(plan.rows.map(({ name, trainings, sampling, tokens }) => [name, { ...trainings, sampling, tokens }])); // biome-ignore format: one thought
  let results: Results = {
    ...{ study: study.name, preset, data, seeds, command, machine: found?.machine ?? machine },
    ...{ seconds: found?.seconds ?? 0, claims: [], rows, runs },
  };
  let began = performance.now();
  for (const { row, run } of planned) {
    if (results.runs.some(({ key }) => key === run.key)) continue;
    notify(`${study.name}: ${row.name}, seed ${run.seed} (${results.runs.length + 1} of ${planned.length})`);
    const figures = await measured(study, row, run.seed, workshop);
    const seconds = results.seconds + (performance.now() - began) / 1000;
    began = performance.now();
    results = withRun({ ...results, machine, seconds }, plan, { ...run, figures });
    writeStudyResults(at('json'), results);
  }
  results = { ...results, claims: claimsOf(plan, results) };
  writeStudyResults(at('json'), results);
  const pictures = await drawPictures(study, plan, workshop, at('png'));
  writeFileSync(at('svg'), chartOf(study, plan, results));
  writeFileSync(at('md'), pageOf(study, results, pictures));
  return results;
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
function earlier(path: string, { resume, overwrite, preset, data }: StudyOptions): Results | undefined {
  if (overwrite) return undefined;
  const found = readStudyResults(path);
  if (!found) return undefined;
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

/** A run before it is measured. */
function planOf(row: Row, seed: number, { source, heldOut }: Workshop): Omit<RowRun, 'figures'> {
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
