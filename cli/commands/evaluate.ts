/** `titok evaluate`: figures of a run, of a model, or of pictures beside other pictures. */
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import {
  type Dataset,
  fromPlanes,
  type ImageSet,
  loadPictureSet,
  type RgbImage,
  writePictureNpz,
} from '../../data/index.ts';
import {
  comparePictures,
  count,
  evaluateModel,
  evaluateSettings,
  group,
  loadDataset,
  type Model,
  type ModelFigures,
  modelOf,
  picturesOf,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addImageOptions, type ImagesGiven, imageOptions, remarks } from '../images.ts';
import { loadNamed } from '../models.ts';
import { addSettings, type Given } from '../options.ts';
import { showShare } from '../progress.ts';
import { isShownRun, openTrainedRun, shownRun } from '../runs.ts';
import { aligned } from '../table.ts';
import { describeDataset } from '../training.ts';

interface EvaluateGiven extends Given, ImagesGiven {
  readonly model?: string;
  readonly data?: string;
  readonly samples?: number;
  readonly seed?: number;
  readonly npz?: string;
  readonly size?: number;
  readonly paired: boolean;
  readonly json: boolean;
}

const pictureSettings = group({ size: count(32, 'pixels that pictures are scaled and cropped to', { most: 4096 }) });

export function addEvaluate(program: Command): void {
  const command = program
    .command('evaluate')
    .description(
      'Measures reconstructions, samples and latents of a run or a model, or compares two sets of pictures.\n' +
        'docs/metrics.md says what the figures mean.',
    )
    .argument('[what...]', 'a run; or two folders of pictures or .npz files, the real ones first; none: a model')
    .option('--model <file>', "file of 'titok export', or the name of a model in the box (default: the box's default)")
    .option(
      '--data <folder>',
      "'emoji', a folder of pictures, or data files to measure with (default: those of the training)",
    )
    .option('--npz <folder>', 'also write held-out images, reconstructions and samples there, as .npz files')
    .option('--paired', 'two sets: each picture is a version of the real one with its name; adds PSNR and SSIM', false)
    .option('--json', 'print JSON', false)
    .action((what: string[], given: EvaluateGiven) => evaluate(what, given));
  addSettings(command, evaluateSettings, ({ path: [name] }) =>
    name === 'samples' ? 'default as many as held-out images' : "default the model's",
  );
  addSettings(command, pictureSettings, () => 'default as they are; two sets only');
  addImageOptions(addDeviceOptions(command, 'high'));
}

const forSets = ['paired', 'size'] as const;
const forModels = ['model', 'data', 'npz', 'samples', 'seed', 'heldOut', 'classes', 'skipBroken'] as const;

async function evaluate(what: readonly string[], given: EvaluateGiven): Promise<void> {
  if (what.length > 2) {
    throw new OptionError(`titok evaluate: expected a run or two sets of pictures, got ${what.length} words.`);
  }
  const isPictures = what.length === 2;
  const other = (isPictures ? forModels : forSets).find((name) => given[name] !== undefined && given[name] !== false);
  if (other !== undefined) {
    const name = other.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    throw new OptionError(
      `--${name}: expected ${isPictures ? 'a run or a model' : 'two sets of pictures'} to measure, got ${what.join(' and ') || 'a model'}.`,
    );
  }
  if (given.skipBroken && given.data === undefined) {
    throw new OptionError('--skip-broken: expected --data with it, got none. Name the folder whose pictures are read.');
  }
  await openGivenDevice(given, 'high');
  if (isPictures) return compare(what[0], what[1], given);
  return measure(what[0], given);
}

async function compare(first: string, second: string, given: EvaluateGiven): Promise<void> {
  const { size, paired, json } = given;
  const load = (path: string) => loadPictureSet(path, size === undefined ? {} : { size });
  const [reference, pictures] = [await load(first), await load(second)];
  const progress = showShare('measuring');
  const figures = await comparePictures(reference, pictures, { paired, onProgress: progress.update }).finally(
    progress.leave,
  );
  const about = ({ set }: typeof reference, path: string) => ({ path, pictures: set.count, size: set.size });
  const rows = { reference: about(reference, first), pictures: about(pictures, second) };
  if (json) return print({ ...rows, figures });
  const { referenceInceptionScore, ...measured } = figures;
  const cells = figureTable([
    { name: first, pictures: reference.set.count, inceptionScore: referenceInceptionScore },
    { name: second, pictures: pictures.set.count, ...measured },
  ]);
  console.log([aligned(cells), '', ...notes(reference.classes, 'the real ones')].join('\n'));
}

async function measure(run: string | undefined, given: EvaluateGiven): Promise<void> {
  const { model, dataset } = await openMeasured(run, given);
  for (const line of remarks(dataset)) console.error(line);
  const kept = { reconstructions: [] as RgbImage[], samples: [] as RgbImage[] };
  if (given.npz !== undefined) mkdirSync(given.npz, { recursive: true });
  const progress = showShare('measuring');
  const figures = await evaluateModel(model, dataset, {
    ...(given.samples !== undefined && { samples: given.samples }),
    ...(given.seed !== undefined && { seed: given.seed }),
    onProgress: progress.update,
    ...(given.npz !== undefined && {
      async onImages(kind, images) {
        for (const picture of await picturesOf(images)) kept[kind].push(picture);
      },
    }),
  }).finally(progress.leave);
  const files =
    given.npz === undefined ? [] : writeFiles(given.npz, { 'held-out': picturesIn(dataset.validation), ...kept });
  if (given.json) return print({ model: model.metadata.name, data: describe(dataset), ...figures });
  console.log([describeDataset(dataset), '', ...describeFigures(figures, dataset), ...files].join('\n'));
}

/** The model and the images to measure it with. */
async function openMeasured(name: string | undefined, given: EvaluateGiven) {
  if (name === undefined) {
    const model = await loadNamed(given);
    return { model, dataset: await loadGiven(model, given) };
  }
  if (given.model !== undefined) {
    throw new OptionError(`--model: expected one of a run and --model, got ${name} and ${given.model}. Choose one.`);
  }
  if (existsSync(name) && !isShownRun(name)) {
    throw new OptionError(`titok evaluate: expected a run, or two sets of pictures, got ${name} alone.`);
  }
  const run = await openTrainedRun(shownRun(name));
  const model = await modelOf(run);
  const isOwn = given.data === undefined && given.classes === undefined && given.heldOut === undefined;
  if (isOwn && !run.before()?.origin?.data.tokens)
    return { model, dataset: await run.dataset(model.tokenizer.config.imageSize) };
  const sources = run.trained.map((stage) => run.meta({ name: stage }).origin?.data.source?.heldOut);
  return {
    model,
    dataset: await loadGiven(
      model,
      given,
      sources.findLast((share) => share !== undefined),
    ),
  };
}

/** The images that --data names, else the emoji if the model learned from them. @param share  that its run held out, if known */
async function loadGiven(model: Model, given: EvaluateGiven, share?: number): Promise<Dataset> {
  const { tokenizer, metadata } = model;
  const { name, classes, heldOut } = metadata.data;
  const data = given.data ?? (name === 'emoji' ? name : undefined);
  if (data === undefined) {
    throw new OptionError(
      `--data: expected the pictures to measure ${metadata.name} with, got none. It learned from '${name}'.`,
    );
  }
  const options = imageOptions(given);
  const isOfSubgroups = data === 'emoji' && name === 'emoji' && classes.length > 8; // the groups are 8
  const dataset = await loadDataset(data, tokenizer.config.imageSize, {
    ...(isOfSubgroups && { classes: 'subgroups' as const }),
    ...(share !== undefined && data !== 'emoji' && { heldOutFraction: share }),
    ...options,
  });
  const isOther = data !== 'emoji' && dataset.name === name && dataset.validation.count !== heldOut;
  if (isOther)
    console.error(
      `${metadata.name} learned from '${name}' with ${heldOut} pictures held out, here ${dataset.validation.count} are: it may have learned from some of them. ` +
        'Give the --held-out that it was trained with.',
    );
  return dataset;
}

const print = (value: object): void => console.log(JSON.stringify(value, null, 2));

const describe = ({ name, size, classes, train, validation }: Dataset) => ({
  name,
  size,
  classes: classes.length,
  train: train.count,
  heldOut: validation.count,
});

type Row = { readonly name: string; readonly pictures: number } & Readonly<Record<string, unknown>>;

const columns: readonly (readonly [figure: string, title: string, digits: number])[] = [
  ['pictures', 'pictures', 0],
  ['psnr', 'PSNR', 2],
  ['ssim', 'SSIM', 3],
  ['fd', 'FD', 1],
  ['precision', 'precision', 3],
  ['recall', 'recall', 3],
  ['density', 'density', 3],
  ['coverage', 'coverage', 3],
  ['inceptionScore', 'inception', 2],
  ['accuracy', 'accuracy', 3],
];

/** A row for each set of pictures; columns that no row has are left out. */
function figureTable(rows: readonly Row[]): string[][] {
  const shown = columns.filter(([figure]) => rows.some((row) => typeof row[figure] === 'number'));
  const cell = (value: unknown, digits: number) =>
    typeof value === 'number' ? value.toFixed(digits).replace(/^-(0\.?0*)$/, '$1') : '–'; // an FD of −1e-12
  return [
    ['', ...shown.map(([, title]) => title)],
    ...rows.map((row) => [row.name, ...shown.map(([figure, , digits]) => cell(row[figure], digits))]),
  ];
}

function describeFigures({ heldOut, reconstructions, samples, latents }: ModelFigures, dataset: Dataset): string[] {
  const cells = figureTable([
    { name: 'held-out', ...heldOut },
    { name: 'reconstructions', pictures: heldOut.pictures, ...reconstructions },
    ...(samples ? [{ name: 'samples', ...samples }] : []),
  ]);
  const probe = latents && [
    `Linear probe of the ${latents.latents} latents: ${percent(latents.accuracy)} of held-out images in their class, ` +
      `${percent(latents.balancedAccuracy)} as a mean over classes; the commonest class has ${percent(latents.commonest)}.`,
  ];
  return [aligned(cells), '', ...(probe ?? []), ...notes(dataset.classes.length, 'training images')];
}

const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

const notes = (classes: number, learned: string): string[] => [
  'FD, precision, recall, density, coverage: on 96 MobileNetV2 features at 96 pixels. FD is not FID. Compare equal numbers of pictures only.',
  ...(classes > 1
    ? [
        `Inception score${learned === 'training images' ? ', accuracy' : ''}: of a linear classifier of these features, ${classes} classes, that learned from ${learned}.`,
      ]
    : []),
];

const picturesIn = ({ images, count, size }: ImageSet): RgbImage[] => {
  const each = 3 * size * size;
  return Array.from({ length: count }, (_, i) => fromPlanes(images.subarray(i * each, (i + 1) * each), size, size));
};

function writeFiles(folder: string, sets: Readonly<Record<string, readonly RgbImage[]>>): string[] {
  return Object.entries(sets).flatMap(([name, pictures]) => {
    if (pictures.length === 0) return []; // no generator
    const path = join(folder, `${name}.npz`);
    writePictureNpz(path, pictures);
    return path;
  });
}
