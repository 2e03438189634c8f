/** Shared by the training commands: options, opening the run, and training a stage with a progress line. */
import type { Command } from 'commander';
import { OptionError } from '../core/index.ts';
import type { Dataset } from '../data/index.ts';
import {
  type ChangesOf,
  count,
  type Flip,
  group,
  loadDataset,
  oneOf,
  openRun,
  type Preset,
  type PresetName,
  presets,
  type Run,
  RunFolder,
  type SavedMeta,
  type Setting,
  type Stage,
  type StageRow,
  seed,
  updates,
  withHeldOut,
} from '../train/index.ts';
import { addDeviceOptions } from './device.ts';
import { addImageOptions, type ImagesGiven, imageOptions, remarks } from './images.ts';
import { Interrupted, SignalWatch, stopRequest } from './interruption.ts';
import { addSettings, type Given, readSettings } from './options.ts';
import { showProgress } from './progress.ts';
import { nameOption, runFolder } from './runs.ts';
import { remarkOn } from './usual.ts';

/** As commander hands them over. */
export interface TrainingGiven extends Given, ImagesGiven {
  readonly preset?: PresetName;
  readonly name: string;
  readonly seed?: number;
  readonly data?: string;
  readonly tokensFile?: string;
  readonly stream?: boolean;
  readonly shuffleBuffer?: number;
  readonly randomCrop?: boolean;
  readonly flip?: boolean;
  /** true without --no-flip-classes, as commander has it. */
  readonly flipClasses: string | true;
  readonly resume: boolean;
  readonly overwrite: boolean;
  readonly tensorboard: boolean;
  /** The whole command, for the report. */
  readonly command: string;
}

const trainingSettings = () =>
  group({
    preset: oneOf(Object.keys(presets) as PresetName[], 'tiny', 'settings of all stages'),
    seed: seed(0, 'of weights, data order and samples'),
    pictureEvery: updates(250, 'updates between pictures; 0: at the end'),
    saveEvery: updates(250, 'updates between checkpoints; 0: at the end'),
    measureEvery: updates(100, 'updates between looks at held-out images, for the curves in the log; 0: none'),
  });

const streamSettings = group({
  shuffleBuffer: count(
    10_000,
    'of streamed images: so many wait for their turn, which keeps reads of a slow disk close',
    { most: 2 ** 31 - 1 },
  ),
});

/** The preset and the seed of a run are those of its later stages. */
const fallback = ({ path: [name], default: value }: Setting): string =>
  `default ${name === 'preset' || name === 'seed' ? `the run's, else ${value}` : value}`;

export const addTrainingOptions = (command: Command): Command =>
  addSettings(
    addSettings(addImageOptions(addDeviceOptions(command, 'high')), trainingSettings(), fallback),
    streamSettings,
    () => 'default all',
  )
    .addOption(nameOption('folder in runs/'))
    .option(
      '--data <folder>',
      "'emoji', a folder of pictures (class folders, or train/ and val/), or data files, as docs/your-images.md says (default: the run's, else emoji)",
    )
    .option(
      '--stream',
      'decode training images when they are needed, for data larger than memory (default: if they take more than 2 GB)',
    )
    .option('--no-stream', 'keep all images in memory')
    .option(
      '--random-crop',
      'train on squares from random places along the longer edges, as the paper does; streams (default: from the middle)',
    )
    .option('--flip', 'mirror half of the training images (default: of emoji all but Symbols, of your own none)')
    .option('--no-flip', 'mirror none')
    .option('--no-flip-classes <names>', 'mirror all but these classes, such as those with text: A,B')
    .option('--tensorboard', 'also write event files for TensorBoard, in tensorboard/ in the run', false)
    .option('--resume', 'go on where it stopped', false)
    .option('--overwrite', 'train again what the run has; until the first save, that stays', false);

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
  announce: (dataset: Dataset) => void,
): Promise<GivenRun> {
  const folder = new RunFolder(runFolder(given.name));
  expectIntended(given, folder, stage);
  const before = folder.before(stage?.name);
  const isKnown = (name: string | undefined): name is PresetName => Object.keys(presets).includes(name ?? '');
  const presetName = given.preset ?? (isKnown(before?.preset) ? before.preset : 'tiny');
  const preset: Preset = presets[presetName];
  const { heldOut: limit } = preset;
  const images = imageOptions(given);
  const stored = before?.origin?.data.source;
  const path = given.data ?? stored?.path ?? 'emoji';
  const needsImages = given.data !== undefined || !learnsTokens(given, folder, stage);
  if (!needsImages) expectNoImageOptions(given);
  const heldOut = images.heldOutFraction ?? (path === 'emoji' ? undefined : stored?.heldOut);
  const classes =
    images.classes ?? (path !== 'emoji' ? undefined : stored?.path === 'emoji' ? stored.classes : preset.classes);
  const isKept = given.data === undefined || given.data === stored?.path;
  const stream = given.stream ?? (isKept ? stored?.stream : undefined);
  const shuffleBuffer = given.shuffleBuffer ?? (isKept ? stored?.shuffleBuffer : undefined);
  const randomCrop = given.randomCrop ?? (isKept ? stored?.randomCrop : undefined);
  const skipBroken = given.skipBroken || (isKept && stored?.skipBroken === true);
  const source = {
    path,
    ...(heldOut !== undefined && { heldOut }),
    ...(classes !== undefined && { classes }),
    ...(stream !== undefined && { stream }),
    ...(shuffleBuffer !== undefined && { shuffleBuffer }),
    ...(randomCrop !== undefined && { randomCrop }),
    ...(skipBroken && { skipBroken }),
  };
  const flip = flipOf(given);
  sayWhatIsKept(given, before, needsImages);
  const notify = (message: string) => console.log(`${process.stdout.isTTY ? '\r\x1b[2K' : ''}${message}`); // over the line of progress
  const { pictureEvery, saveEvery, measureEvery } = readSettings(trainingSettings(), {}, given);
  const run = await openRun(folder.folder, {
    preset: presetName,
    ...(given.seed !== undefined && { seed: given.seed }),
    ...(flip !== undefined && { flip }),
    ...(limit !== undefined && { heldOut: limit }),
    pictureEvery,
    saveEvery,
    measureEvery,
    tensorboard: given.tensorboard,
    command: given.command,
    resume: given.resume,
    notify,
    ...(needsImages && { source, dataset: loadImages }),
  });
  return { run, preset, presetName };

  async function loadImages(imageSize: number): Promise<Dataset> {
    const dataset = await loadDataset(path, imageSize, {
      ...images,
      stream,
      shuffleBuffer,
      randomCrop,
      skipBroken,
      notify,
      ...(heldOut !== undefined && { heldOutFraction: heldOut }),
      ...(classes !== undefined && { classes }),
    });
    const used = withHeldOut(dataset, limit);
    announce(used);
    for (const line of remarks(used)) console.log(line);
    return dataset;
  }
}

/** Whether a stage learns from a file of tokens, so that it needs no images. */
function learnsTokens(given: TrainingGiven, folder: RunFolder, stage: Stage | undefined): boolean {
  const before = given.resume && stage ? folder.readableMeta(stage.name)?.settings['tokensFile'] : undefined;
  return Boolean(given.tokensFile ?? before);
}

/** @throws OptionError for an option of images in a training that has none */
function expectNoImageOptions(given: TrainingGiven): void {
  const { heldOut, classes, skipBroken, stream, shuffleBuffer, randomCrop, flip, flipClasses } = given;
  const options = {
    '--held-out': heldOut,
    '--classes': classes,
    '--skip-broken': skipBroken || undefined,
    [stream === false ? '--no-stream' : '--stream']: stream,
    '--shuffle-buffer': shuffleBuffer,
    '--random-crop': randomCrop,
    [flip === false ? '--no-flip' : '--flip']: flip,
    '--no-flip-classes': flipClasses === true ? undefined : flipClasses,
  };
  for (const [option, value] of Object.entries(options))
    if (value !== undefined)
      throw new OptionError(
        `${option}: expected --data beside it, as the training learns from a file of tokens, got none. Leave it out.`,
      );
}

/** Nothing that was trained is replaced by mistake. */
function expectIntended({ name, resume, overwrite }: TrainingGiven, folder: RunFolder, stage: Stage | undefined): void {
  if (resume && overwrite) {
    throw new OptionError('--overwrite: expected one of --resume and --overwrite, got both. Choose one.');
  }
  if (resume && folder.trained.length === 0) console.error(`--resume: run '${name}' has nothing to go on with yet.`);
  const trained = folder.trained.filter((name) => stage === undefined || name === stage.name);
  if (resume || overwrite || trained.length === 0) return;
  throw new OptionError(
    `--name: expected a run without ${stage ? `the stage ${stage.name}` : 'results'}, got '${name}', which has ${trained.join(', ')} in ${folder.folder}. ` +
      'Go on with --resume, train again with --overwrite, or choose another --name.',
  );
}

/** Options that are left out and follow from the run, not from the program's defaults. */
function sayWhatIsKept(given: TrainingGiven, before: SavedMeta | undefined, needsImages: boolean): void {
  const { seed, data } = before?.origin ?? {};
  const kept = [
    needsImages &&
      given.data === undefined &&
      data?.source &&
      data.source.path !== 'emoji' &&
      `--data ${data.source.path}`,
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
export function describeDataset({ train, validation, size, classes }: Dataset): string {
  const n = (count: number) => count.toLocaleString('en');
  return `${n(train.count)} training and ${n(validation.count)} held-out images of ${size}×${size} in ${n(classes.length)} ${classes.length === 1 ? 'class' : 'classes'}`;
}

/** Trains a stage with `trainToEnd` and measures it. @throws Interrupted when it was ended before its last update */
export async function trainStage<S extends Stage>(run: Run, stage: S, changes: ChangesOf<S>): Promise<StageRow> {
  await trainToEnd(run, stage, changes);
  const row = await run.evaluate(stage);
  const remark = remarkOn(run, stage, changes, row);
  if (remark !== undefined) console.log(remark);
  return row;
}

/**
 * Trains a stage with a progress line. A signal such as Ctrl-C, or an output that nobody reads any more, ends it after the
 * present update, and saves.
 *
 * @throws Interrupted when it was ended before its last update
 */
export async function trainToEnd<S extends Stage>(run: Run, stage: S, changes: ChangesOf<S>): Promise<void> {
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
}
