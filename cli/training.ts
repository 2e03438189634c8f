/** Shared by the training commands: options, opening the run, and training a stage with a progress line. */
import type { Command } from 'commander';
import type { ImageDataset } from '../data/index.ts';
import {
  type ChangesOf,
  group,
  loadDataset,
  oneOf,
  openRun,
  type Preset,
  type PresetName,
  presets,
  type Run,
  type Stage,
  type StageRow,
  seed,
  updates,
  withHeldOut,
} from '../train/index.ts';
import { addDeviceOptions } from './device.ts';
import { Interrupted, SignalWatch, stopRequest } from './interruption.ts';
import { addSettings, byDefault, type Given, readSettings } from './options.ts';
import { showProgress } from './progress.ts';
import { nameOption, runFolder } from './runs.ts';

/** As commander hands them over. */
export interface TrainingGiven extends Given {
  readonly name: string;
  readonly data: string;
  readonly resume: boolean;
}

const trainingSettings = () =>
  group({
    preset: oneOf(Object.keys(presets) as PresetName[], 'tiny', 'settings of all stages'),
    seed: seed(0, 'of weights, data order and samples'),
    pictureEvery: updates(250, 'updates between pictures; 0: at the end'),
    saveEvery: updates(250, 'updates between checkpoints; 0: at the end'),
  });

/** What `addTrainingOptions` declares, apart from the device. */
export const readTraining = (given: TrainingGiven) => readSettings(trainingSettings(), {}, given);

export const addTrainingOptions = (command: Command): Command =>
  addSettings(addDeviceOptions(command, 'high'), trainingSettings(), byDefault)
    .addOption(nameOption('folder in runs/'))
    .option('--data <folder>', "'emoji' or a folder of class folders", 'emoji')
    .option('--resume', 'go on where it stopped', false);

export const presetOf = (given: TrainingGiven): Preset => presets[readTraining(given).preset];

/**
 * Opens the run that the options name.
 *
 * @param announce  describes the dataset once it is loaded
 */
export function openGivenRun(given: TrainingGiven, announce: (dataset: ImageDataset) => void): Promise<Run> {
  const { heldOut } = presetOf(given);
  const notify = (message: string) => console.log(message);
  return openRun(runFolder(given.name), {
    ...readTraining(given),
    resume: given.resume,
    notify,
    async dataset(imageSize) {
      const dataset = withHeldOut(await loadDataset(given.data, imageSize), heldOut);
      announce(dataset);
      return dataset;
    },
  });
}

/** "4,000 training and 450 held-out images of 32×32 in 8 classes" */
export function describeDataset({ train, validation, size, classes }: ImageDataset): string {
  const n = (count: number) => count.toLocaleString('en');
  return `${n(train.count)} training and ${n(validation.count)} held-out images of ${size}×${size} in ${classes.length} classes`;
}

/**
 * Trains a stage with a progress line and measures it. A signal such as Ctrl-C, or an output that nobody reads any more, ends
 * it after the present update, and saves.
 *
 * @throws Interrupted when it was ended before its last update
 */
export async function trainStage<S extends Stage>(run: Run, stage: S, changes: ChangesOf<S>): Promise<StageRow> {
  const progress = showProgress(stage.name);
  let signals: SignalWatch | undefined;
  let last: { step: number; steps: number } | undefined;
  try {
    for await (const report of run.train(stage, changes)) {
      signals ??= new SignalWatch(); // before the first update there is nothing to save
      last = report;
      progress.update(report);
      if (!stopRequest()) continue;
      signals.saving = true;
      break; // saves
    }
  } finally {
    progress.leave();
    signals?.close();
  }
  if (stopRequest() && last && last.step < last.steps) {
    throw new Interrupted(
      `${stage.name}: stopped after ${last.step} of ${last.steps} updates; saved in ${run.checkpoint(stage)}. ` +
        'Go on with the same command and --resume.',
    );
  }
  return run.evaluate(stage);
}
