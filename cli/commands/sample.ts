/** `titok sample`: new pictures of a class. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { OptionError, Rng, suggestion } from '../../core/index.ts';
import { imageGrid, writePng } from '../../data/index.ts';
import type { SamplingOptions } from '../../maskgit/index.ts';
import {
  expectMadeWith,
  generate,
  loadGenerator,
  loadPixelTokenizer,
  picturesOf,
  presets,
  runFolder,
} from '../../train/index.ts';
import { addDeviceOptions, openGiven } from '../device.ts';
import { addSettings, readSettings } from '../settings.ts';
import { count } from '../values.ts';

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate; all when left out')
    .option('--count <number>', 'pictures of each class', '12')
    .option('--seed <number>', 'of the samples', '0')
    .option('--name <name>', 'run whose models are used', 'quickstart')
    .option('--output <file>', 'PNG to write (default: sampled.png in the run)')
    .action(async (given) => {
      const columns = count('--count', given.count, 1);
      const seed = count('--seed', given.seed);
      await openGiven(given);
      const folder = runFolder(given.name);
      const { generator, classes, settings } = loadGenerator(folder);
      const model = loadPixelTokenizer(folder);
      await expectMadeWith(folder, 'generator', 'tokenizer', model);
      const sampling = readSettings(settings['sampling'] as SamplingOptions, given);
      const wanted = given.class === undefined ? classes : [classOf(given.class, classes)];
      const labels = wanted.flatMap((name) => new Array<number>(columns).fill(classes.indexOf(name)));
      const images = await generate(generator, labels, sampling, model, new Rng(seed));
      const output: string = given.output ?? join(folder, 'sampled.png');
      mkdirSync(dirname(output), { recursive: true });
      await writePng(output, imageGrid(await picturesOf(images), columns, { rowLabels: wanted }));
      console.log(output);
    });
  addDeviceOptions(command, 'high');
  addSettings(command, presets.tiny.sampling, { describe: () => "as the run's generator was set" });
}

/** A class by its name, or by what its name begins with, in any case. */
function classOf(text: string, classes: readonly string[]): string {
  if (classes.includes(text)) return text;
  const found = classes.filter((name) => name.toLowerCase().startsWith(text.toLowerCase()));
  if (found.length === 1) return found[0];
  const names = classes.map((name) => `'${name}'`).join(', ');
  throw new OptionError(`--class: expected one of ${names}, got '${text}'${suggestion(text, classes)}.`);
}
