/** The loop around every training: progress, log, pictures, checkpoints, Ctrl-C, resuming. */
import { existsSync, mkdirSync } from 'node:fs';
import { ProgressLine, type Spent } from '../cli/progress.ts';
import { CheckpointError } from '../core/index.ts';
import { loadCheckpoint, saveCheckpoint } from '../data/index.ts';
import { NonFiniteError } from '../nn/index.ts';
import { RunLog } from './log.ts';
import { stageFile } from './run.ts';
import type { Json, StepReport, Training } from './training.ts';

export interface LoopOptions {
  /** Name of the stage: of its checkpoint, its log lines and its progress line. */
  readonly name: string;
  /** Where checkpoint, log and pictures go. */
  readonly folder: string;
  readonly preset: string;
  readonly batchSize: number;
  /** Stored in the checkpoint, so that other commands can rebuild the model. */
  readonly settings: Json;
  /** Fingerprints of the models of earlier stages that this one builds on. */
  readonly madeWith?: Readonly<Record<string, string>>;
  readonly resume?: boolean;
  /** Updates between checkpoints; 0: only at the end. */
  readonly saveEvery?: number;
  /** Updates between pictures; 0: only at the end. */
  readonly pictureEvery?: number;
  /** Runs once before the first update, unless none is left. Its time counts. */
  readonly prepare?: () => Promise<void>;
  /** Writes pictures that show how far the training is. */
  readonly pictures?: (step: number) => Promise<void>;
}

export interface LoopResult {
  /** Of all sessions that the training took. */
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Means of the last 50 updates. */
  readonly report: StepReport;
}

/** Raised by Ctrl-C: what was done is saved. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/** What a checkpoint remembers of the loop, so that the figures of a run survive interruptions. */
interface LoopState extends Spent {
  /** The last 50 updates. */
  readonly recent: StepReport[];
}

/**
 * Runs a training to its end or to Ctrl-C; either way the last thing it does is to save.
 *
 * @throws Interrupted after Ctrl-C; NonFiniteError when a loss or gradient is NaN, with the last checkpoint as it was
 */
export async function runTraining(training: Training, options: LoopOptions): Promise<LoopResult> {
  const { name, folder, batchSize, settings, preset, madeWith = {}, saveEvery = 250, pictureEvery = 0 } = options;
  mkdirSync(folder, { recursive: true });
  const path = stageFile(folder, name);
  const log = new RunLog(folder, name);
  const resumed = options.resume && existsSync(path) ? restore(training, path, options) : undefined;
  if (resumed) console.log(`${name}: ${training.done} of ${training.steps} updates are done`);
  const started = performance.now();
  if (training.done < training.steps) await options.prepare?.(); // Ctrl-C still ends the process: nothing has changed yet
  const prepared = (performance.now() - started) / 1000;
  log.forgetAfter(training.done);
  let saved: number | undefined = resumed && training.done;

  let kept: LoopState = resumed ?? { seconds: 0, images: 0, recent: [] }; // as the checkpoint has it
  const recent = [...kept.recent];
  const before = { ...kept, seconds: kept.seconds + prepared };
  const progress = new ProgressLine(name, { steps: training.steps, done: training.done, batchSize, before });
  const save = async () => {
    kept = { ...progress.spent(training.done), recent: [...recent] };
    await saveTraining(training, path, { stage: name, preset, settings, madeWith, loop: kept });
    saved = training.done;
  };

  let stop = false;
  let stoppedAt = Infinity;
  const interrupt = () => {
    // A second Ctrl-C does not wait; but npm and tsx pass the first one on, so that it may come several times.
    if (performance.now() - stoppedAt > 1000) process.exit(130);
    stoppedAt = Math.min(stoppedAt, performance.now());
    stop = true;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    while (training.done < training.steps && !stop) {
      const report = await training.step();
      recent.push(report);
      if (recent.length > 50) recent.shift();
      log.write(training.done, { seconds: round(progress.spent(training.done).seconds), ...report });
      progress.update(training.done, report);
      const due = (every: number) => every > 0 && training.done % every === 0 && training.done < training.steps;
      if (due(saveEvery)) await save();
      if (due(pictureEvery)) await options.pictures?.(training.done);
      await new Promise((resolve) => setImmediate(resolve)); // lets signals in
    }
    if (saved !== training.done) await save();
  } catch (error) {
    if (!(error instanceof NonFiniteError)) throw error;
    log.write(training.done + 1, { error: error.message });
    throw stopped(error, training.done + 1, name, path, saved);
  } finally {
    progress.leave();
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  if (training.done < training.steps) {
    throw new Interrupted(
      `${name}: stopped after ${training.done} of ${training.steps} updates; saved in ${path}. ` +
        'Go on with the same command and --resume.',
    );
  }
  await options.pictures?.(training.done);
  const { seconds, images } = kept;
  return { seconds, imagesPerSecond: images / seconds, report: meanReport(kept.recent) };
}

function stopped(error: NonFiniteError, step: number, name: string, path: string, saved: number | undefined): Error {
  const kept =
    saved === undefined
      ? 'No checkpoint had been saved yet.'
      : `${path} holds the ${saved} updates before; go on from there with --resume.`;
  return new NonFiniteError(
    `${name}, update ${step}: ${error.message} ${kept} A lower --learning-rate is the usual cure.`,
    { cause: error },
  );
}

/** Everything that going on needs, and what `meta` says about it. */
export function saveTraining(training: Training, path: string, meta: Readonly<Record<string, unknown>>): Promise<void> {
  return saveCheckpoint(path, { groups: training.state.groups(), meta: { ...meta, state: training.state.values() } });
}

/** Puts a training back to where its checkpoint was saved. */
function restore(training: Training, path: string, { name, preset, madeWith = {} }: LoopOptions): LoopState {
  const { groups, meta } = loadCheckpoint(path, { stage: name });
  const source = `checkpoint ${path}`;
  if (meta['preset'] !== undefined && meta['preset'] !== preset) {
    throw new CheckpointError(
      `${source}: expected a training of preset ${preset}, got one of ${meta['preset']}. ` +
        `Go on with --preset ${meta['preset']}, or leave --resume out to start again.`,
    );
  }
  const earlier = meta['madeWith'] as Record<string, string> | undefined;
  const other = Object.keys(madeWith).find((part) => earlier && earlier[part] !== madeWith[part]);
  if (other !== undefined) {
    throw new CheckpointError(
      `${source}: expected a training with the run's ${other}, got one with another ${other}. ` +
        'Leave --resume out to start again.',
    );
  }
  training.state.restore(groups, meta['state'] as Json, source);
  return (meta['loop'] as LoopState | undefined) ?? { seconds: 0, images: 0, recent: [] };
}

const round = (x: number): number => Math.round(1000 * x) / 1000;

function meanReport(reports: readonly StepReport[]): StepReport {
  const names = Object.keys(reports.at(-1) ?? {});
  const mean = (name: string) => reports.reduce((sum, r) => sum + (r[name] ?? 0), 0) / reports.length;
  return { loss: Number.NaN, ...Object.fromEntries(names.map((name) => [name, mean(name)])) };
}
