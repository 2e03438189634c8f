/** `titok sample`: new pictures of a class. */
import { join } from 'node:path';
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { writeImage, writePictureNpz } from '../../data/index.ts';
import {
  classIndex,
  count,
  diffusionSampling,
  drawingStages,
  drawSheet,
  generate,
  group,
  oneOf,
  planSheet,
  type Sampler,
  samplerOf,
  samplingSettings,
  seed,
  settingsOf,
  spread,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { addModelOptions, openGiven } from '../models.ts';
import { addSettings, CheckedOption, type Given, readSettings, SettingOption } from '../options.ts';
import { outputOption, prepareOutput } from '../pictures.ts';
import { showShare } from '../progress.ts';

const sampleSettings = group({
  count: count(12, 'pictures of each class', { most: 10_000 }),
  seed: seed(0, 'of the samples'),
});
const stageSettings = group({ stage: oneOf(drawingStages, 'generator', 'of the run: what draws') });
/** The settings of sampling that only diffusion has. */
const onlyDiffusion = group({ eta: diffusionSampling.unwrap().shape.eta });
const overview = { classes: 12, pictures: 48 }; // takes a second or two

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate; without it, some of all')
    .addOption(outputOption('sampled.png'))
    .addOption(
      new CheckedOption(
        '--npz <file>',
        'write all pictures into an .npz file for evaluators, instead of a sheet',
        npzFile,
      ),
    )
    .action(async (given) => {
      const { seed, ...settings } = readSettings(sampleSettings, {}, given);
      if (given.stage !== undefined && given.name === undefined)
        throw new OptionError(`--stage: expected --name of a run beside it, got ${given.stage} alone.`);
      if (given.npz !== undefined && given.output !== undefined)
        throw new OptionError('--npz: expected one of --output and --npz, got both. Choose one.');
      await openGivenDevice(given, 'high');
      const { from, folder } = await openGiven(given);
      const sampler = await samplerOf(from, given.stage);
      expectOwnSampling(sampler, given);
      const { classes, imageSize } = sampler;
      const sampling = readSettings(sampler.settings, sampler.sampling, given) as object;
      const named = given.class === undefined ? classes : [classes[classIndex(given.class, classes, '--class')]];
      if (given.npz !== undefined) {
        const output = prepareOutput(given.npz, '--npz');
        const total = named.length * settings.count;
        const progress = showShare(`sampling ${total.toLocaleString('en')} pictures`);
        const options = { count: settings.count, seed, sampling, onProgress: progress.update, stage: given.stage };
        const pictures = await generate(from, named, options).finally(progress.leave);
        const labels = named.flatMap((name) => new Array<number>(settings.count).fill(classes.indexOf(name)));
        writePictureNpz(output, pictures, labels);
        console.log(`${output}  ${total.toLocaleString('en')} pictures of ${named.length} classes`);
        return;
      }
      const isOverview = given.class === undefined && given.count === undefined;
      const wanted = isOverview ? spread(classes.length, overview.classes).map((i) => classes[i]) : named;
      const count = isOverview
        ? Math.min(settings.count, Math.floor(overview.pictures / wanted.length))
        : settings.count;
      if (wanted.length < named.length) {
        console.error(`${wanted.length} of ${classes.length} classes. Name one with --class; 'titok info' lists them.`);
      }
      const sheet = planSheet(wanted, count, imageSize);
      const output = prepareOutput(given.output ?? join(folder, 'sampled.png'));
      if (sheet.each < count || sheet.rows < wanted.length) {
        console.error(
          `${output} will show ${sheet.each} of ${count} pictures of ${sheet.rows} of ${wanted.length} classes: that is ` +
            'what fits into one file. Name a --class for more of it.',
        );
      }
      const shown = wanted.slice(0, sheet.rows);
      const progress = showShare(`sampling ${(sheet.each * sheet.rows).toLocaleString('en')} pictures`);
      const options = { count: sheet.each, seed, sampling, onProgress: progress.update, stage: given.stage };
      const pictures = await generate(from, shown, options).finally(progress.leave);
      await writeImage(output, await drawSheet(sheet, shown, pictures));
      console.log(output);
    });
  addModelOptions(command);
  addSettings(command, stageSettings, () => 'default the first that it has');
  addSettings(command, sampleSettings, ({ path: [name], default: value }) =>
    name === 'count' ? `default ${value}; without --class ${overview.pictures} pictures in all` : `default ${value}`,
  );
  addDeviceOptions(command, 'high');
  addSettings(command, samplingSettings, () => 'default as trained');
  addSettings(command, onlyDiffusion, () => 'default as trained');
}

/** @throws OptionError for a sampling option that what draws does not have */
function expectOwnSampling({ settings }: Sampler, given: Given): void {
  const [own, all] = [[settings], [samplingSettings, onlyDiffusion]].map((schemas) =>
    schemas.flatMap(settingsOf).map((setting) => new SettingOption(setting)),
  );
  const has = (name: string) => own.some((option) => option.attributeName() === name);
  const isGiven = ({ setting }: SettingOption, value: unknown) =>
    value !== undefined && !(setting.type === 'boolean' && value === setting.default); // commander's default of --no-…
  const odd = all.find((option) => {
    const name = option.attributeName();
    return isGiven(option, given[name]) && !has(name);
  });
  if (!odd) return;
  const names = own.map(({ long }) => long).join(', ');
  throw new OptionError(`${odd.long}: expected one of ${names}, which is all that this model has.`);
}

/** @throws OptionError for a file of another kind, which could be something to keep */
function npzFile(path: string): string {
  if (path.endsWith('.npz')) return path;
  throw new OptionError(`--npz: expected a file that ends in .npz, got ${path}.`);
}
