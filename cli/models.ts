/** The model that a command works with: of a run, from a file, or in the box. */
import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../core/index.ts';
import {
  type ImageTokenizer,
  isPublished,
  loadModel,
  loadTokenizerFile,
  type Model,
  modelOf,
  openPublishedTeacher,
  openRun,
  parseHubName,
  publishedFamily,
  type Run,
  SizedTeacher,
} from '../train/index.ts';
import type { Given } from './options.ts';
import { showFetching } from './progress.ts';
import { isShownRun, runFolder, runNameOption } from './runs.ts';

/** --name and --model. */
export const addModelOptions = (command: Command): Command =>
  command
    .addOption(runNameOption('run whose models are used'))
    .option(
      '--model <file>',
      "file of 'titok export', or published weights: a file, a folder, or a name on the Hugging Face hub; or the name of a model in the box; neither this nor --name: the box's default",
    )
    .option(
      '--config <file>',
      'configuration of published weights, YAML or JSON (default: config.json beside them, or the preset that fits)',
    )
    .option('--tokenizer <model>', 'the tokenizer of a published generator (default: the one with its name)');

/** The same, and --checkpoint with --preset: for commands that need no generator. */
export const addTokenizerOptions = (command: Command): Command =>
  addModelOptions(command)
    .option('--checkpoint <file>', 'a checkpoint instead of a run, also of a teacher, or published weights')
    .option('--preset <name>', 'sizes of the published weights: s128, b64, l32, … (default: the preset that fits)');

/** A model by its name or file, and what published weights need beside it. */
interface ModelFile {
  readonly model?: string;
  readonly preset?: string;
  readonly config?: string;
  readonly tokenizer?: string;
}

export interface ModelGiven extends ModelFile, Given {
  readonly name?: string;
  readonly checkpoint?: string;
}

/** A model, and where its pictures go: into its run, else into the working folder. */
interface Opened<M> {
  readonly model: M;
  readonly folder: string;
}

/** The run or the model, and where its pictures go. @throws OptionError when both are named */
export async function openGiven(given: ModelGiven): Promise<{ readonly from: Model | Run; readonly folder: string }> {
  expectOne(given);
  if (given.name === undefined) return { from: await loadNamed(given), folder: '.' };
  expectOurs(given, 'a run');
  const run = await openRun(runFolder(given.name));
  return { from: run, folder: run.folder };
}

/** The model with its generator, if it has one. @throws OptionError when several are named */
export async function openGivenModel(given: ModelGiven): Promise<Opened<Model>> {
  const { from, folder } = await openGiven(given);
  return { model: 'tokenizer' in from ? from : await modelOf(from), folder };
}

/** The tokenizer alone; the run's generator is not read. @throws OptionError when several are named */
export async function openGivenTokenizer(given: ModelGiven): Promise<Opened<ImageTokenizer>> {
  expectOne(given);
  const { name, checkpoint, preset, config } = given;
  const file = checkpoint ?? given.model;
  if (file !== undefined && isTeacher(file)) {
    expectUseful(given, optionsOfPublished, `the teacher in ${file}, whose tensors say all`);
    return { model: openTeacher(file), folder: '.' };
  }
  if (checkpoint !== undefined) {
    if (isShownRun(checkpoint))
      throw new OptionError(
        `--checkpoint: expected a file, got ${checkpoint}, the folder of a run. Name it with --name.`,
      );
    if (!isPublished(checkpoint)) expectOurs(given, checkpoint);
    expectUseful(given, ['tokenizer'], `the tokenizer in ${checkpoint}`);
    return { model: loadTokenizerFile(checkpoint, { preset, config }), folder: '.' };
  }
  if (name === undefined) return { model: (await loadNamed(given)).tokenizer, folder: '.' };
  expectOurs(given, 'a run');
  const run = await openRun(runFolder(name));
  return { model: run.pixelTokenizer(), folder: run.folder };
}

/** Whether a path is that of the published teacher's weights. */
const isTeacher = (path: string): boolean =>
  statSync(path, { throwIfNoEntry: false })?.isFile() === true &&
  isPublished(path) &&
  publishedFamily(path) === 'teacher';

const teacherSide = 256; // pixels of the images that the published one was trained with

function openTeacher(path: string): ImageTokenizer {
  const model = new SizedTeacher(openPublishedTeacher(path), teacherSide);
  const { imageSize, latentTokens, codebookSize } = model.config;
  console.error(
    `teacher ${basename(path)}: ${imageSize} × ${imageSize} pixels in ${latentTokens} codes of ${codebookSize}`,
  );
  return model;
}

function expectOne(given: ModelGiven): void {
  const [first, second] = ['name', 'model', 'checkpoint'].filter((option) => given[option] !== undefined);
  if (second) throw new OptionError(`--${second}: expected one of --${first} and --${second}, got both. Choose one.`);
}

const optionsOfPublished = ['preset', 'config', 'tokenizer'] as const;

/** @throws OptionError when one of the options is given, which has no effect on these published weights */
function expectUseful(given: ModelFile, options: readonly (typeof optionsOfPublished)[number][], got: string): void {
  const option = options.find((name) => given[name] !== undefined);
  if (option)
    throw new OptionError(`--${option}: expected weights that it has an effect on, got ${got}. Leave it out.`);
}

/** Options of published weights alone. @throws OptionError when one is given for a model of ours */
function expectOurs(given: ModelFile, got: string): void {
  const option = optionsOfPublished.find((name) => given[name] !== undefined);
  if (option) throw new OptionError(`--${option}: expected published weights to go with it, got ${got}. Leave it out.`);
}

/** Whether --model names published weights, here or on the hub. */
const isPublishedModel = (from: string): boolean =>
  parseHubName(from) !== undefined || (existsSync(from) && !isShownRun(from) && isPublished(from));

/** Loads a model, by default that of the box, and says on stderr which one it is. */
export async function loadNamed(given: ModelFile): Promise<Model> {
  const { model: from, preset, config, tokenizer } = given;
  if (from === undefined || !isPublishedModel(from)) expectOurs(given, from ?? 'the model in the box');
  const progress = showFetching();
  const published = { preset, config, tokenizer, onProgress: progress.update };
  const model = await loadModel(from, undefined, published).finally(progress.leave);
  const { imageSize, latentTokens, codebookSize, tokenSize, quantizeMode } = model.tokenizer.config;
  const tokens = quantizeMode === 'vq' ? `of ${codebookSize} codes` : `of ${tokenSize} numbers`;
  const what = `${imageSize} × ${imageSize} pixels in ${latentTokens} tokens ${tokens}`;
  console.error(`model ${model.metadata.name}: ${what}${model.generator ? `, ${model.classes.length} classes` : ''}`);
  return model;
}
