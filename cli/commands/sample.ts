/** `titok sample`: new pictures of a class. */
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { writeImage, writePng } from '../../data/index.ts';
import {
  classIndex,
  count,
  drawSheet,
  type GenerateOptions,
  generate,
  generateEach,
  group,
  type Model,
  planSheet,
  samplingSettings,
  seed,
  spread,
  withGenerator,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { stopRequest } from '../interruption.ts';
import { addModelOptions, openGivenModel } from '../models.ts';
import { addSettings, readSettings } from '../options.ts';
import { outputOption, prepareOutput } from '../pictures.ts';
import { showShare } from '../progress.ts';

const sampleSettings = group({
  count: count(12, 'pictures of each class', { most: 1_000_000 }),
  seed: seed(0, 'of the samples'),
  batchSize: count(8, 'pictures computed at once, at most; they do not depend on it'),
});
const overview = { classes: 12, pictures: 48 }; // takes a second or two

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate, by its name or number; without it, some of all')
    .option('--folder <folder>', 'writes every picture to a PNG file of its own there, instead of all on one sheet')
    .addOption(outputOption('sampled.png'))
    .action(async (given) => {
      const { seed, ...settings } = readSettings(sampleSettings, {}, given);
      const batch = given.batchSize === undefined ? {} : { batchSize: settings.batchSize };
      if (given.folder !== undefined && given.output !== undefined)
        throw new OptionError('--folder: expected one of --output and --folder, got both. Choose one.');
      await openGivenDevice(given, 'high');
      const { model, folder } = await openGivenModel(given);
      const { classes, sampling: trained, tokenizer } = withGenerator(model);
      const sampling = readSettings(samplingSettings, trained, given);
      const named = given.class === undefined ? classes : [classes[classIndex(given.class, classes, '--class')]];
      const isOverview = given.class === undefined && given.count === undefined;
      const wanted = isOverview ? spread(classes.length, overview.classes).map((i) => classes[i]) : named;
      const count = isOverview
        ? Math.min(settings.count, Math.floor(overview.pictures / wanted.length))
        : settings.count;
      if (wanted.length < named.length) {
        console.error(`${wanted.length} of ${classes.length} classes. Name one with --class; 'titok info' lists them.`);
      }
      if (given.folder !== undefined) {
        const options = { count, seed, sampling, ...batch };
        return console.log(await writeEach(model, wanted, options, given.folder));
      }
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
      const options = { count: sheet.each, seed, sampling, ...batch, onProgress: progress.update };
      const pictures = await generate(model, shown, options).finally(progress.leave);
      await writeImage(output, await drawSheet(sheet, shown, pictures));
      console.log(output);
    });
  addModelOptions(command);
  addSettings(command, sampleSettings, ({ path: [name], default: value }) =>
    name === 'count'
      ? `default ${value}; without --class ${overview.pictures} pictures in all`
      : name === 'batchSize'
        ? 'default as many as fit into 1 GiB'
        : `default ${value}`,
  );
  addDeviceOptions(command, 'high');
  addSettings(command, samplingSettings, () => 'default as trained');
}

/** FOLDER/000000.png, …, class after class, as the tools of others read them. @returns what was written */
async function writeEach(
  model: Model,
  classes: readonly string[],
  options: GenerateOptions,
  folder: string,
): Promise<string> {
  const path = (i: number) => join(folder, `${String(i).padStart(6, '0')}.png`);
  prepareOutput(path(0), '--folder');
  const total = classes.length * (options.count ?? 1);
  const progress = showShare(`sampling ${total.toLocaleString('en')} pictures`);
  let written = 0;
  try {
    for await (const { picture } of generateEach(model, classes, { ...options, onProgress: progress.update })) {
      await writePng(path(written++), picture);
      if (stopRequest()) break;
    }
  } finally {
    progress.leave();
  }
  return `${folder}: ${written.toLocaleString('en')} pictures, ${basename(path(0))} to ${basename(path(written - 1))}`;
}
