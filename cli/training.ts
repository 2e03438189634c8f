/** Shared by the training commands: options, opening the run, and training a stage with a progress line. */
import type { Command } from 'commander';
import { OptionError } from '../core/index.ts';
import type { ImageDataset } from '../data/index.ts';
import {
  type ChangesOf,
  type Flip,
  loadDataset,
  openRun,
  type Preset,
  type PresetName,
  presets,
  type Run,
  RunFolder,
  type SavedMeta,
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
  readonly preset?: string;
  readonly name: string;
  readonly seed?: string;
  readonly data?: string;
  readonly flip?: boolean;
  /** true without --no-flip-classes, as commander has it. */
  readonly flipClasses: string | true;
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly pictureEvery: string;
  readonly saveEvery: string;
  readonly [setting: string]: unknown;
}

export const addTrainingOptions = (command: Command): Command =>
  addImageOptions(addDeviceOptions(command, 'high'))
    .option('--preset <name>', `${Object.keys(presets).join(', ')} (default: the run's, else tiny)`)
    .option('--name <name>', 'folder under runs/', 'quickstart')
    .option('--seed <number>', "of weights, data order and samples (default: the run's, else 0)")
    .option(
      '--data <folder>',
      "'emoji', or a folder of pictures: of class folders, or of train/ and val/ (default: the run's, else emoji)",
    )
    .option('--flip', 'mirror half of the training images (default: of emoji all but Symbols, of your own none)')
    .option('--no-flip', 'mirror none')
    .option('--no-flip-classes <names>', 'mirror all but these classes, such as those with text: A,B')
    .option('--resume', 'go on where it stopped', false)
    .option('--overwrite', 'train again what the run has; until the first save, that stays', false)
    .option('--picture-every <steps>', 'updates between pictures; 0: at the end', '250')
    .option('--save-every <steps>', 'updates between checkpoints; 0: at the end', '250');

/** A run, and the preset that its options or its checkpoints name. */
export interface GivenRun {
  readonly run: Run;
  readonly preset: Preset;
  readonly presetName: string;
}

/**
 * Opens the run that the options name. What they leave out is as the run's checkpoints say.
 *
 * @param stage     what is to be trained; undefined: all stages
 * @param announce  describes the dataset once it is loaded
 * @throws OptionError when something is trained already, and neither --resume nor --overwrite is given
 */
export async function openGivenRun(
  given: TrainingGiven,
  stage: Stage | undefined,
  announce: (dataset: ImageDataset) => void,
): Promise<GivenRun> {
  const folder = new RunFolder(runFolder(given.name));
  expectIntended(given, folder, stage);
  const before = folder.before(stage?.name);
  const known = Object.keys(presets);
  const presetName = given.preset ?? (known.includes(before?.preset ?? '') ? before!.preset! : 'tiny');
  const preset: Preset = presets[choice('--preset', presetName, known) as PresetName];
  const { heldOut: limit } = preset;
  const images = imageOptions(given);
  const stored = before?.origin?.data.source;
  const path = given.data ?? stored?.path ?? 'emoji';
  const heldOut = images.heldOutFraction ?? (path === 'emoji' ? undefined : stored?.heldOut);
  const source = { path, ...(heldOut !== undefined && { heldOut }) };
  const flip = flipOf(given);
  sayWhatIsKept(given, before);
  const notify = (message: string) => console.log(message);
  const run = await openRun(folder.folder, {
    preset: presetName,
    ...(given.seed !== undefined && { seed: count('--seed', given.seed) }),
    ...(flip !== undefined && { flip }),
    ...(limit !== undefined && { heldOut: limit }),
    resume: given.resume,
    pictureEvery: count('--picture-every', given.pictureEvery),
    saveEvery: count('--save-every', given.saveEvery),
    notify,
    source,
    async dataset(imageSize) {
      const dataset = await loadDataset(path, imageSize, {
        ...images,
        ...(heldOut !== undefined && { heldOutFraction: heldOut }),
      });
      const used = withHeldOut(dataset, limit);
      announce(used);
      for (const line of remarks(used)) console.log(line);
      return dataset;
    },
  });
  return { run, preset, presetName };
}

/** Nothing that was trained is replaced by mistake. */
function expectIntended({ name, resume, overwrite }: TrainingGiven, folder: RunFolder, stage: Stage | undefined): void {
  if (resume && overwrite) {
    throw new OptionError('--overwrite: expected one of --resume and --overwrite, got both. Choose one.');
  }
  const trained = folder.trained.filter((name) => stage === undefined || name === stage.name);
  if (resume || overwrite || trained.length === 0) return;
  throw new OptionError(
    `--name: expected a run without ${stage ? `the stage ${stage.name}` : 'results'}, got '${name}', which has ${trained.join(', ')} in ${folder.folder}. ` +
      'Go on with --resume, train again with --overwrite, or choose another --name.',
  );
}

/** Options that are left out and follow from the run, not from the program's defaults. */
function sayWhatIsKept(given: TrainingGiven, before: SavedMeta | undefined): void {
  const { seed, data } = before?.origin ?? {};
  const kept = [
    given.data === undefined && data?.source && data.source.path !== 'emoji' && `--data ${data.source.path}`,
    given.seed === undefined && seed && `--seed ${seed}`,
    given.preset === undefined && before?.preset !== 'tiny' && before?.preset && `--preset ${before.preset}`,
  ].filter(Boolean);
  if (kept.length > 0) console.log(`As before in this run: ${kept.join(', ')}.`);
}

function flipOf({ flip, flipClasses }: TrainingGiven): Flip | undefined {
  if (typeof flipClasses !== 'string') return flip;
  if (flip === false) {
    throw new OptionError('--no-flip-classes: expected to be without --no-flip, got both. Choose one.');
  }
  return { except: flipClasses.split(',').map((name) => name.trim()) };
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
