/** The tokenizer that a command works with. */
import type { Command } from 'commander';
import type { TiTok } from '../titok/index.ts';
import { loadTokenizerFile, openRun } from '../train/index.ts';
import { addDeviceOptions, openGivenDevice } from './device.ts';
import type { Given } from './options.ts';
import { nameOption, runFolder } from './runs.ts';

export function addModelOptions(command: Command): Command {
  return addDeviceOptions(command, 'highest')
    .addOption(nameOption('run whose models are used'))
    .option('--checkpoint <file>', 'a checkpoint instead of a run; published weights need --preset')
    .option('--preset <name>', 'sizes of the published weights: s128, b64, l32, …');
}

export interface ModelOptions extends Given {
  readonly name: string;
  readonly checkpoint?: string;
  readonly preset?: string;
}

export async function openTokenizer(given: ModelOptions): Promise<{ model: TiTok; folder: string }> {
  await openGivenDevice(given, 'highest');
  const run = await openRun(runFolder(given.name));
  const model = given.checkpoint ? loadTokenizerFile(given.checkpoint, given.preset) : run.pixelTokenizer();
  return { model, folder: run.folder };
}
