/** The model that a command works with: of a run, from a file, or in the box. */
import type { Command } from 'commander';
import { OptionError } from '../core/index.ts';
import type { TiTok } from '../titok/index.ts';
import { loadModel, loadTokenizerFile, type Model, modelOf, openRun, type Run } from '../train/index.ts';
import type { Given } from './options.ts';
import { runFolder, runNameOption } from './runs.ts';

/** --name and --model. */
export const addModelOptions = (command: Command): Command =>
  command
    .addOption(runNameOption('run whose models are used'))
    .option(
      '--model <file>',
      "file of 'titok export', or the name of a model in the box; neither this nor --name: the box's default",
    );

/** The same, and --checkpoint with --preset: for commands that need no generator. */
export const addTokenizerOptions = (command: Command): Command =>
  addModelOptions(command)
    .option('--checkpoint <file>', 'a checkpoint instead of a run; published weights need --preset')
    .option('--preset <name>', 'sizes of the published weights: s128, b64, l32, …');

export interface ModelGiven extends Given {
  readonly name?: string;
  readonly model?: string;
  readonly checkpoint?: string;
  readonly preset?: string;
}

/** A model, and where its pictures go: into its run, else into the working folder. */
interface Opened<M> {
  readonly model: M;
  readonly folder: string;
}

/** The run or the model, and where its pictures go. @throws OptionError when both are named */
export async function openGiven(given: ModelGiven): Promise<{ readonly from: Model | Run; readonly folder: string }> {
  expectOne(given);
  if (given.name === undefined) return { from: await loadNamed(given.model), folder: '.' };
  const run = await openRun(runFolder(given.name));
  return { from: run, folder: run.folder };
}

/** The model with its generator, if it has one. @throws OptionError when several are named */
export async function openGivenModel(given: ModelGiven): Promise<Opened<Model>> {
  const { from, folder } = await openGiven(given);
  return { model: 'tokenizer' in from ? from : await modelOf(from), folder };
}

/** The tokenizer alone; the run's generator is not read. @throws OptionError when several are named */
export async function openGivenTokenizer(given: ModelGiven): Promise<Opened<TiTok>> {
  expectOne(given);
  const { name, checkpoint, preset } = given;
  if (checkpoint !== undefined) return { model: loadTokenizerFile(checkpoint, preset), folder: '.' };
  if (name === undefined) return { model: (await loadNamed(given.model)).tokenizer, folder: '.' };
  const run = await openRun(runFolder(name));
  return { model: run.pixelTokenizer(), folder: run.folder };
}

function expectOne(given: ModelGiven): void {
  const [first, second] = ['name', 'model', 'checkpoint'].filter((option) => given[option] !== undefined);
  if (second) throw new OptionError(`--${second}: expected one of --${first} and --${second}, got both. Choose one.`);
}

/** Loads a model, by default that of the box, and says on stderr which one it is. */
export async function loadNamed(from: string | undefined): Promise<Model> {
  const model = await loadModel(from);
  const { imageSize, latentTokens, codebookSize } = model.tokenizer.config;
  const what = `${imageSize} × ${imageSize} pixels in ${latentTokens} tokens of ${codebookSize} codes`;
  console.error(`model ${model.metadata.name}: ${what}${model.generator ? `, ${model.classes.length} classes` : ''}`);
  return model;
}
