/** `titok sample`: new pictures of a class. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { writeImage } from '../../data/index.ts';
import {
  classIndex,
  count,
  drawSheet,
  generate,
  group,
  planSheet,
  samplingSettings,
  seed,
  withGenerator,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addModelOptions, openGivenModel } from '../models.ts';
import { addSettings, byDefault, readSettings } from '../options.ts';
import { outputOption, prepareOutput } from '../pictures.ts';
import { showShare } from '../progress.ts';

const sampleSettings = group({
  count: count(12, 'pictures of each class', { most: 10_000 }),
  seed: seed(0, 'of the samples'),
});

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate; all when left out')
    .addOption(outputOption('sampled.png'))
    .action(async (given) => {
      const { count, seed } = readSettings(sampleSettings, {}, given);
      await openGivenDevice(given, 'high');
      const { model, folder } = await openGivenModel(given);
      const { classes, sampling: trained, tokenizer } = withGenerator(model);
      const sampling = readSettings(samplingSettings, trained, given);
      const wanted = given.class === undefined ? classes : [classes[classIndex(given.class, classes, '--class')]];
      const sheet = planSheet(wanted, count, tokenizer.config.imageSize);
      const output = prepareOutput(given.output ?? join(folder, 'sampled.png'));
      if (sheet.each < count || sheet.rows < wanted.length) {
        console.error(
          `${output} will show ${sheet.each} of ${count} pictures of ${sheet.rows} of ${wanted.length} classes: that is ` +
            'what fits into one file. Name a --class for more of it.',
        );
      }
      const shown = wanted.slice(0, sheet.rows);
      const progress = showShare(`sampling ${(sheet.each * sheet.rows).toLocaleString('en')} pictures`);
      const options = { count: sheet.each, seed, sampling, onProgress: progress.update };
      const pictures = await generate(model, shown, options).finally(progress.leave);
      await writeImage(output, await drawSheet(sheet, shown, pictures));
      console.log(output);
    });
  addModelOptions(command);
  addSettings(command, sampleSettings, byDefault);
  addDeviceOptions(command, 'high');
  addSettings(command, samplingSettings, () => 'default as trained');
}
