/** `titok sample`: new pictures of a class. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Command } from 'commander';
import { imageGrid, writePng } from '../../data/index.ts';
import { classIndex, count, generate, generator, group, openRun, samplingSettings, seed } from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addSettings, byDefault, readSettings } from '../options.ts';
import { nameOption, runFolder } from '../runs.ts';

const sampleSettings = group({
  count: count(12, 'pictures of each class', { most: 10_000 }),
  seed: seed(0, 'of the samples'),
});

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate; all when left out')
    .addOption(nameOption('run whose models are used'))
    .option('--output <file>', 'PNG to write (default: sampled.png in the run)')
    .action(async (given) => {
      const { count: columns, seed } = readSettings(sampleSettings, {}, given);
      await openGivenDevice(given, 'high');
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
  addSettings(command, sampleSettings, byDefault);
  addDeviceOptions(command, 'high');
  addSettings(command, samplingSettings, () => 'default as trained');
}
