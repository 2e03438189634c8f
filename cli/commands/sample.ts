/** `titok sample`: new pictures of a class. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Command } from 'commander';
import { expectOption, OptionError } from '../../core/index.ts';
import { writeImage, writePictureNpz, writePng } from '../../data/index.ts';
import {
  classIndex,
  count,
  diffusionSampling,
  drawingStages,
  drawSheet,
  type GenerateOptions,
  generate,
  generateEach,
  group,
  type Model,
  mostGenerated,
  mostOfClass,
  oneOf,
  planSheet,
  type Run,
  type Sampler,
  samplerOf,
  samplingSettings,
  seed,
  settingsOf,
  spread,
} from '../../train/index.ts';
import { addDeviceOptions, openGivenDevice } from '../device.ts';
import { stopRequest } from '../interruption.ts';
import { addModelOptions, openGiven } from '../models.ts';
import { addSettings, CheckedOption, type Given, readSettings, SettingOption } from '../options.ts';
import { outputOption, prepareOutput } from '../pictures.ts';
import { showShare } from '../progress.ts';

const sampleSettings = group({
  count: count(12, 'pictures of each class', { most: 1_000_000 }),
  seed: seed(0, 'of the samples'),
  batchSize: count(8, 'pictures computed at once, at most; they depend on it by rounding alone'),
});
const stageSettings = group({ stage: oneOf(drawingStages, 'generator', 'of the run: what draws') });
/** The settings of sampling that only diffusion has. */
const onlyDiffusion = group({ eta: diffusionSampling.unwrap().shape.eta });
const overview = { classes: 12, pictures: 48 }; // takes a second or two

export function addSample(program: Command): void {
  const command = program
    .command('sample')
    .description('Generates pictures.')
    .option('--class <name>', 'class to generate, by its name or number; without it, some of all')
    .option('--folder <folder>', 'writes every picture to a PNG file of its own there, instead of all on one sheet')
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
      const [first, second] = ['output', 'npz', 'folder'].filter((option) => given[option] !== undefined);
      if (second)
        throw new OptionError(`--${second}: expected one of --${first} and --${second}, got both. Choose one.`);
      const batch = given.batchSize === undefined ? {} : { batchSize: settings.batchSize };
      await openGivenDevice(given, 'high');
      const { from, folder } = await openGiven(given);
      const sampler = await samplerOf(from, given.stage);
      expectOwnSampling(sampler, given);
      const { classes, imageSize } = sampler;
      const sampling = readSettings(sampler.settings, sampler.sampling, given) as object;
      const named = given.class === undefined ? classes : [classes[classIndex(given.class, classes, '--class')]];
      if (given.npz !== undefined) {
        const total = named.length * settings.count;
        expectOption(
          settings.count <= mostOfClass && 3 * total * imageSize ** 2 <= mostGenerated,
          '--npz',
          `at most ${mostOfClass.toLocaleString('en')} pictures of a class, of ${mostGenerated / 1e9} GB together`,
          `${total.toLocaleString('en')} of ${((3 * total * imageSize ** 2) / 1e9).toFixed(1)} GB`,
          'Write each to a file of its own with --folder, or several .npz files with a --seed each.',
        );
        const output = prepareOutput(given.npz, '--npz');
        const progress = showShare(`sampling ${total.toLocaleString('en')} pictures`);
        const options = {
          count: settings.count,
          seed,
          sampling,
          ...batch,
          onProgress: progress.update,
          stage: given.stage,
        };
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
      if (given.folder !== undefined) {
        const options = { count, seed, sampling, ...batch, stage: given.stage };
        return console.log(await writeEach(from, wanted, options, given.folder));
      }
      expectOption(
        count <= mostOfClass,
        '--count',
        `at most ${mostOfClass.toLocaleString('en')} pictures of a class in one file`,
        count.toLocaleString('en'),
        'Write each to a file of its own with --folder.',
      );
      const sheet = planSheet(wanted, count, imageSize);
      const output = prepareOutput(given.output ?? join(folder, 'sampled.png'));
      if (sheet.each < count || sheet.rows < wanted.length) {
        console.error(
          `${output} will show ${sheet.each} of ${count} pictures of ${sheet.rows} of ${wanted.length} classes: that is ` +
            `what fits into one file. ${wanted.length > 1 ? 'Name a --class for more of it' : 'Write all with --folder'}.`,
        );
      }
      const shown = wanted.slice(0, sheet.rows);
      const progress = showShare(`sampling ${(sheet.each * sheet.rows).toLocaleString('en')} pictures`);
      const options = { count: sheet.each, seed, sampling, ...batch, onProgress: progress.update, stage: given.stage };
      const pictures = await generate(from, shown, options).finally(progress.leave);
      await writeImage(output, await drawSheet(sheet, shown, pictures));
      console.log(output);
    });
  addModelOptions(command);
  addSettings(command, stageSettings, () => 'default the first that it has');
  addSettings(command, sampleSettings, ({ path: [name], default: value }) =>
    name === 'count'
      ? `default ${value}; without --class ${overview.pictures} pictures in all`
      : name === 'batchSize'
        ? 'default as many as fit into 1 GiB'
        : `default ${value}`,
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

/** FOLDER/000000.png, …, class after class, as the tools of others read them. @returns what was written */
async function writeEach(
  from: Model | Run,
  classes: readonly string[],
  options: GenerateOptions,
  folder: string,
): Promise<string> {
  const path = (i: number) => join(folder, `${String(i).padStart(6, '0')}.png`);
  if (existsSync(folder) && statSync(folder).isDirectory() && readdirSync(folder).length > 0)
    throw new OptionError(`--folder: expected a new or an empty folder, got ${folder}, which holds other files.`);
  prepareOutput(path(0), '--folder');
  const total = classes.length * (options.count ?? 1);
  const progress = showShare(`sampling ${total.toLocaleString('en')} pictures`);
  let written = 0;
  try {
    for await (const { picture } of generateEach(from, classes, { ...options, onProgress: progress.update })) {
      await writePng(path(written++), picture);
      if (stopRequest()) break;
    }
  } finally {
    progress.leave();
  }
  return `${folder}: ${written.toLocaleString('en')} pictures, ${basename(path(0))} to ${basename(path(written - 1))}`;
}
