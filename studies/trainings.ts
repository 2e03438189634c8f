/** The trainings behind a row. Rows, and studies, that need the same training share it. */
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, linkSync, mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { type Dataset, LockedError } from '../data/index.ts';
import {
  type ChangesOf,
  type DataSource,
  openRun,
  parseSettings,
  type Run,
  type Stage,
  stageNames,
  stages,
} from '../train/index.ts';
import type { Trainings } from './row.ts';

/** Where trainings are kept, and what all rows of a study have in common. */
export interface Workshop {
  /** The folder of all trainings. */
  readonly folder: string;
  readonly dataset: (imageSize: number) => Promise<Dataset>;
  readonly source: DataSource;
  /** Measures with at most so many held-out images. */
  readonly heldOut: number;
  readonly notify: (message: string) => void;
  /** Trains a stage to its end. @throws when it is stopped before */
  train<S extends Stage>(run: Run, stage: S, changes: ChangesOf<S>): Promise<void>;
}

/** A training of a row. */
export interface Step {
  readonly stage: Stage;
  readonly changes: object;
  /** The folder of its run: 'warmup-0f3c9a5be2d1'. Its name follows from everything that the training depends on. */
  readonly folder: string;
}

/**
 * The trainings of a row in their order. The name of each follows from its settings and those of the trainings before it, the
 * seed and the images.
 */
export function stepsOf(trainings: Trainings, seed: number, source: DataSource): Step[] {
  const steps: Step[] = [];
  let key: unknown = { seed, source };
  for (const name of stageNames) {
    const changes = (trainings as Readonly<Record<string, object | undefined>>)[name];
    if (!changes) continue;
    const stage = stages[name];
    key = { before: key, stage: name, settings: parseSettings(stage.settings, changes, `${name} settings`) };
    steps.push({ stage, changes, folder: `${name}-${hashOf(key)}` });
  }
  return steps;
}

/** 12 hex digits from plain data. */
export const hashOf = (data: unknown): string =>
  createHash('sha256').update(JSON.stringify(data)).digest('hex').slice(0, 12);

/**
 * The run with all trainings of a row, each trained unless it is there already. A training that was stopped goes on.
 *
 * Every training has a run folder of its own, in which the checkpoints of the trainings before it are links. Several studies
 * can run at a time: a training that one of them is at is waited for.
 */
export async function trained(workshop: Workshop, trainings: Trainings, seed: number): Promise<Run> {
  const steps = stepsOf(trainings, seed, workshop.source);
  for (const [i, { stage, changes, folder }] of steps.entries()) {
    const run = await openTrained(workshop, folder, seed);
    for (const before of steps.slice(0, i)) {
      link(join(workshop.folder, before.folder, `${before.stage.name}.safetensors`), run.checkpoint(before.stage));
    }
    if (!isFinished(run, stage)) {
      using _ = await locked(run, workshop);
      if (!isFinished(run, stage)) await workshop.train(run, stage, changes);
    }
    if (i === steps.length - 1) return run;
  }
  throw new Error('studies: expected a row with trainings, got none.');
}

/** Loads the pictures of a row, as its first training needs them. @throws DataError when they cannot be read */
export async function loadPictures(workshop: Workshop, trainings: Trainings): Promise<void> {
  const [{ stage, changes, folder }] = stepsOf(trainings, 0, workshop.source);
  const run = await openTrained(workshop, folder, 0);
  const settings = parseSettings(stage.settings, changes, `${stage.name} settings`);
  await workshop.dataset(stage.imageSize(run, settings));
}

/** What says which other process is at the next training of a row, if one is. */
export async function takenBy(
  workshop: Workshop,
  trainings: Trainings,
  seed: number,
): Promise<LockedError | undefined> {
  for (const { stage, folder } of stepsOf(trainings, seed, workshop.source)) {
    const run = await openTrained(workshop, folder, seed);
    if (isFinished(run, stage)) continue;
    try {
      run.lock()[Symbol.dispose]();
      return undefined;
    } catch (error) {
      if (error instanceof LockedError) return error;
      throw error;
    }
  }
  return undefined;
}

/** The run of a training. */
export const openTrained = (workshop: Workshop, folder: string, seed: number): Promise<Run> => {
  const { dataset, source, heldOut, notify } = workshop;
  return openRun(join(workshop.folder, folder), { seed, dataset, source, heldOut, notify });
};

/** The lock of a run, once no other process has it. */
async function locked(run: Run, { notify }: Workshop): Promise<Disposable> {
  for (let told = false; ; told = true) {
    try {
      return run.lock();
    } catch (error) {
      if (!(error instanceof LockedError)) throw error;
      if (!told) notify(`Waiting: ${error.message}`);
      await setTimeout(2000);
    }
  }
}

/** Whether a stage has been trained to its last update. */
function isFinished(run: Run, stage: Stage): boolean {
  if (!run.has(stage)) return false;
  const { state, settings } = run.meta(stage);
  return state.done >= (settings['steps'] as number);
}

/** The same file in another folder; a copy where the file system has no links. Checkpoints are replaced, never changed. */
function link(from: string, to: string): void {
  if (existsSync(to)) return;
  mkdirSync(dirname(to), { recursive: true });
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
