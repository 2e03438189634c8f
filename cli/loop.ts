/** The loop around every training: progress, log, pictures, checkpoints, Ctrl-C, resuming. */
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '../core/index.ts';
import { type CheckpointContent, loadCheckpoint, saveCheckpoint } from '../data/index.ts';
import type { Json, StepReport, Training } from '../nn/index.ts';
import { ProgressLine } from './progress.ts';

export interface LoopOptions {
  /** Name of the stage: of its checkpoint, its log lines and its progress line. */
  readonly name: string;
  /** Where checkpoint, log and pictures go. */
  readonly folder: string;
  readonly batchSize: number;
  /** Stored in the checkpoint, so that other commands can rebuild the model. */
  readonly settings: Json;
  readonly resume?: boolean;
  /** Updates between checkpoints. */
  readonly saveEvery?: number;
  /** Updates between pictures; 0: only at the end. */
  readonly pictureEvery?: number;
  /** Writes pictures that show how far the training is. */
  readonly pictures?: (step: number) => Promise<void>;
}

export interface LoopResult {
  readonly seconds: number;
  readonly imagesPerSecond: number;
  /** Means of the last 50 updates. */
  readonly report: StepReport;
  /** Stopped by Ctrl-C before its last update. */
  readonly interrupted: boolean;
  readonly checkpoint: string;
}

/** Runs a training to its end or to Ctrl-C; either way the last thing it does is to save. */
export async function runTraining(training: Training, options: LoopOptions): Promise<LoopResult> {
  const { name, folder, saveEvery = 250, pictureEvery = 0, pictures } = options;
  mkdirSync(folder, { recursive: true });
  const checkpoint = join(folder, `${name}.safetensors`);
  const log = join(folder, 'log.jsonl');
  if (options.resume && existsSync(checkpoint)) await restore(training, checkpoint, name);
  else dropLogLines(log, name, 0);
  if (options.resume) dropLogLines(log, name, training.done);

  const save = () => saveTraining(training, checkpoint, name, options.settings);
  const progress = new ProgressLine(name, { steps: training.steps, done: training.done, batchSize: options.batchSize });
  const recent: StepReport[] = [];
  let stop = false;
  const interrupt = () => {
    if (stop) process.exit(130); // a second Ctrl-C does not wait
    stop = true;
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', interrupt);
  try {
    while (training.done < training.steps && !stop) {
      const report = await training.step();
      recent.push(report);
      if (recent.length > 50) recent.shift();
      appendFileSync(
        log,
        `${JSON.stringify({ stage: name, step: training.done, seconds: round(progress.rate(training.done).seconds), ...report })}\n`,
      );
      progress.update(training.done, report);
      const due = (every: number) => every > 0 && training.done % every === 0 && training.done < training.steps;
      if (due(saveEvery)) await save();
      if (due(pictureEvery)) await pictures?.(training.done);
      if (training.done % 16 === 0) await new Promise((resolve) => setImmediate(resolve)); // lets signals in
    }
    if (stop) progress.leave();
    await save();
    await pictures?.(training.done);
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
  const { seconds, imagesPerSecond } = progress.rate(training.done);
  return {
    seconds,
    imagesPerSecond,
    report: meanReport(recent),
    interrupted: stop && training.done < training.steps,
    checkpoint,
  };
}

export async function saveTraining(training: Training, path: string, stage: string, settings: Json): Promise<void> {
  const groups: CheckpointContent['groups'] = {};
  for (const [group, tensors] of Object.entries(training.state.groups())) {
    groups[group] = Object.fromEntries(
      Object.entries(tensors).map(([name, t]) => [name, { shape: t.shape, data: () => values(t) }]),
    );
  }
  await saveCheckpoint(path, { groups, meta: { stage, settings, state: training.state.values() } });
}

async function values(t: Tensor): Promise<Float32Array | Int32Array> {
  const data = await t.data();
  return data instanceof Float64Array ? Float32Array.from(data) : data;
}

async function restore(training: Training, path: string, stage: string): Promise<void> {
  const { groups, meta } = loadCheckpoint(path, { stage });
  training.state.restore(groups, meta['state'] as Json, `checkpoint ${path}`);
}

/** Forgets log lines of this stage after a step: they belong to updates that a resumed run repeats. */
function dropLogLines(log: string, stage: string, after: number): void {
  if (!existsSync(log)) return;
  const lines = readFileSync(log, 'utf8').split('\n').filter(Boolean);
  const kept = lines.filter((line) => {
    const entry = JSON.parse(line) as { stage: string; step: number };
    return entry.stage !== stage || entry.step <= after;
  });
  if (kept.length < lines.length) writeFileSync(log, kept.map((line) => `${line}\n`).join(''));
}

const round = (x: number): number => Math.round(1000 * x) / 1000;

function meanReport(reports: readonly StepReport[]): StepReport {
  const names = Object.keys(reports.at(-1) ?? {});
  const mean = (name: string) => reports.reduce((sum, r) => sum + (r[name] ?? 0), 0) / reports.length;
  return { loss: Number.NaN, ...Object.fromEntries(names.map((name) => [name, mean(name)])) };
}
