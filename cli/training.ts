/** Shared by the training commands: options, opening the run, and training a stage with a progress line. */
import type { Command } from 'commander';
import type { ImageDataset } from '../data/index.ts';
import {
  type ChangesOf,
  loadDataset,
  openRun,
  type Preset,
  type PresetName,
  presets,
  type Run,
  type Stage,
  type StageRow,
  withHeldOut,
} from '../train/index.ts';
import { addDeviceOptions, type DeviceGiven } from './device.ts';
import { addImageOptions, type ImagesGiven, imageOptions, remarks } from './images.ts';
import { showProgress } from './progress.ts';
import { runFolder } from './runs.ts';
import { choice, count } from './values.ts';

/** As commander hands them over. */
export interface TrainingGiven extends DeviceGiven, ImagesGiven {
  readonly preset: string;
  readonly name: string;
  readonly seed: string;
  readonly data: string;
  readonly resume: boolean;
  readonly pictureEvery: string;
  readonly saveEvery: string;
  readonly [setting: string]: unknown;
}

export const addTrainingOptions = (command: Command): Command =>
  addImageOptions(addDeviceOptions(command, 'high'))
    .option('--preset <name>', Object.keys(presets).join(', '), 'tiny')
    .option('--name <name>', 'folder under runs/', 'quickstart')
    .option('--seed <number>', 'of weights, data order and samples', '0')
    .option('--data <folder>', "'emoji', or a folder of pictures: of class folders, or of train/ and val/", 'emoji')
    .option('--resume', 'go on where it stopped', false)
    .option('--picture-every <steps>', 'updates between pictures; 0: at the end', '250')
    .option('--save-every <steps>', 'updates between checkpoints; 0: at the end', '250');

export const presetOf = ({ preset }: TrainingGiven): Preset =>
  presets[choice('--preset', preset, Object.keys(presets)) as PresetName];

/**
 * Opens the run that the options name.
 *
 * @param announce  describes the dataset once it is loaded
 */
export function openGivenRun(given: TrainingGiven, announce: (dataset: ImageDataset) => void): Promise<Run> {
  const { heldOut } = presetOf(given);
  const images = imageOptions(given);
  const notify = (message: string) => console.log(message);
  return openRun(runFolder(given.name), {
    preset: given.preset,
    seed: count('--seed', given.seed),
    resume: given.resume,
    pictureEvery: count('--picture-every', given.pictureEvery),
    saveEvery: count('--save-every', given.saveEvery),
    notify,
    async dataset(imageSize) {
      const dataset = withHeldOut(await loadDataset(given.data, imageSize, images), heldOut);
      announce(dataset);
      for (const line of remarks(dataset)) console.log(line);
      return dataset;
    },
  });
}

/** "4,000 training and 450 held-out images of 32×32 in 8 classes" */
export function describeDataset({ train, validation, size, classes }: ImageDataset): string {
  const n = (count: number) => count.toLocaleString('en');
  return `${n(train.count)} training and ${n(validation.count)} held-out images of ${size}×${size} in ${n(classes.length)} ${classes.length === 1 ? 'class' : 'classes'}`;
}

/** Raised by Ctrl-C, after saving. */
export class Interrupted extends Error {
  override name = 'Interrupted';
}

/**
 * Trains a stage with a progress line and measures it. Ctrl-C saves and ends; a second one ends at once.
 *
 * @throws Interrupted after Ctrl-C
 */
export async function trainStage<S extends Stage>(run: Run, stage: S, changes: ChangesOf<S>): Promise<StageRow> {
  const progress = showProgress(stage.name);
  let stopped = false;
  let stoppedAt = Number.POSITIVE_INFINITY;
  const interrupt = () => {
    // npm and tsx pass the first Ctrl-C on, so it may arrive several times within a moment
    if (performance.now() - stoppedAt > 1000) process.exit(130);
    stoppedAt = Math.min(stoppedAt, performance.now());
    stopped = true;
  };
  let last: { step: number; steps: number } | undefined;
  try {
    for await (const report of run.train(stage, changes)) {
      if (!last) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, interrupt);
      last = report;
      progress.update(report);
      if (stopped) break; // saves
    }
  } finally {
    progress.leave();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
  if (stopped && last && last.step < last.steps) {
    throw new Interrupted(
      `${stage.name}: stopped after ${last.step} of ${last.steps} updates; saved in ${run.checkpoint(stage)}. ` +
        'Go on with the same command and --resume.',
    );
  }
  return run.evaluate(stage);
}
