/** docs/studies/NAME.json: every run of a study with its figures. */
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { OptionError } from '../core/index.ts';
import { type LockedError, waitToLock, writeFileAtomic } from '../data/index.ts';
import { budgets } from './budgets.ts';
import { type FigureName, figures } from './figures.ts';

const names = Object.keys(figures) as FigureName[];
const run = z.strictObject({
  row: z.string(),
  seed: z.int().min(0),
  /** Follows from everything that the figures depend on. */
  key: z.string(),
  /** Of the row's last training, below runs/studies. */
  folder: z.string(),
  figures: z.partialRecord(z.enum(names), z.number().nullable()),
});
const schema = z.strictObject({
  study: z.string(),
  preset: z.string().refine((name) => Object.hasOwn(budgets, name), {
    error: ({ input }) => `expected one of ${Object.keys(budgets).join(', ')}, got '${input}'`,
  }),
  data: z.string(),
  seeds: z.int().min(1),
  command: z.string(),
  machine: z.string(),
  /** Time that the study has taken, with trainings of its own only. */
  seconds: z.number().min(0),
  claims: z.array(
    z.strictObject({ says: z.string(), verdict: z.enum(['reproduced', 'not reproduced', 'not decided']) }),
  ),
  /** What each row trains, and how it samples and decodes: what differs from the defaults. */
  rows: z.record(z.string(), z.record(z.string(), z.unknown())),
  runs: z.array(run).superRefine((runs, { addIssue }) => {
    const twice = runs.find(({ row, seed }, i) => runs.findIndex((one) => one.row === row && one.seed === seed) < i);
    if (twice) addIssue(`expected a row and seed once, got '${twice.row}', seed ${twice.seed} twice`);
  }),
});

/** Everything that a study has found out. */
export type Results = z.output<typeof schema>;
/** A row trained with one seed. */
export type RowRun = z.output<typeof run>;

/** The results in a file. @throws OptionError when it is not one of a study */
export function readStudyResults(path: string): Results | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return schema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new OptionError(
      `${path}: expected the results of a study, got ${error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message}. Give another --out, or --overwrite.`,
      { cause: error },
    );
  }
}

/**
 * Changes the results in a file, of which several processes may keep it.
 *
 * @param onWait  called now and then while another process has the file
 * @param change  gets what the file has
 * @param again   deletes the file first, whatever it has
 * @returns what it has now
 */
export async function changeStudyResults(
  path: string,
  onWait: (why: LockedError) => void,
  change: (found: Results | undefined) => Results,
  again = false,
): Promise<Results> {
  const release = await waitToLock(dirname(path), onWait);
  try {
    if (again) rmSync(path, { force: true });
    const results = schema.parse(change(readStudyResults(path)));
    writeFileAtomic(path, [new TextEncoder().encode(`${JSON.stringify(results, null, 1)}\n`)]);
    return results;
  } finally {
    release();
  }
}
