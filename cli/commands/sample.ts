/** `titok sample`: new pictures of a class. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { imageGrid, writePng } from '../../data/index.ts';
import { classIndex, generate, generator, openRun, samplingSettings } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addSettings, readSettings } from '../options.ts';
import { runFolder } from '../runs.ts';
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
      await openGivenDevice(given);
      const run = await openRun(runFolder(given.name));
      const { classes, sampling: trained } = run.model(generator);
      const sampling = readSettings(samplingSettings, trained, given);
      const wanted = given.class === undefined ? classes : [classes[classIndex(given.class, classes, '--class')]];
      const pictures = await generate(run, wanted, { count: columns, seed, sampling });
      const output: string = given.output ?? join(run.folder, 'sampled.png');
      mkdirSync(dirname(output), { recursive: true });
      await writePng(output, await imageGrid(pictures, columns, { rowLabels: wanted }));
      console.log(output);
    });
  addDeviceOptions(command, 'high');
  addSettings(command, samplingSettings, () => 'default as trained');
}
