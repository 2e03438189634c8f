/** `titok train STAGE`: one training, with every setting as an option. */
import type { Command } from 'commander';
import { OptionError } from '../../core/index.ts';
import { presets as models, type TiTokConfig } from '../../titok/index.ts';
import {
  diffusion,
  finetune,
  generator,
  generator2d,
  group,
  isDecidedByModel,
  merge,
  oneOf,
  parseSettings,
  presets,
  type Setting,
  type Stage,
  settingsOf,
  single,
  teacher,
  teacherConfigs,
  warmup,
} from '../../train/index.ts';
import { openGivenDevice } from '../device.ts';
import { addSettings, byDefault, readSettings, SettingOption } from '../options.ts';
import { lengthsNote, table, tableNote } from '../table.ts';
import { addTrainingOptions, describeDataset, openGivenRun, type TrainingGiven, trainStage } from '../training.ts';

/** A starting point for the settings under `teacher`. */
const teacherKind = group({
  teacher: oneOf(
    Object.keys(teacherConfigs) as (keyof typeof teacherConfigs)[],
    'lean',
    'vqgan: MaskGIT-VQGAN, narrow; published: in full size',
  ),
});
/** The paper's models that a stage trains, by their names in arXiv:2406.07550 and its code. */
function publishedModels({ name }: Stage): Readonly<Record<string, TiTokConfig>> {
  const head = name === 'warmup' ? 'proxy' : name === 'single' ? 'pixels' : undefined;
  const isOwn = (config: TiTokConfig) => config.head === head && config.init === 'published';
  return Object.fromEntries(Object.entries<TiTokConfig>(models).filter(([, config]) => isOwn(config)));
}

/** A starting point for the settings under `model`. */
const modelKind = ([first, ...rest]: readonly string[]) =>
  group({ model: oneOf([first, ...rest], first, "sizes and starting weights of one of the paper's models") });

const stages: readonly Stage[] = [teacher, warmup, finetune, single, generator, generator2d, diffusion];

export function addTrain(program: Command): void {
  const train = program.command('train').description('Trains one stage of a run.');
  for (const stage of stages) {
    const command = addTrainingOptions(train.command(stage.name).description(stage.about));
    if (stage.name === 'teacher') addSettings(command, teacherKind, byDefault);
    const names = Object.keys(publishedModels(stage));
    if (names.length > 0) addSettings(command, modelKind(names), () => 'default as the options below say');
    addSettings(command, stage.settings, tinyValue(stage));
    command.action((given: TrainingGiven) => runStage(stage, given));
  }
}

/** 'tiny: 3000', or 'vqgan only: 32' */
function tinyValue(stage: Stage): (setting: Setting) => string {
  const tiny = parseSettings(stage.settings, presets.tiny[stage.name], 'tiny');
  return ({ path, only, default: value }) => {
    if (only !== undefined) return `${only} only: ${value}`;
    const set = path.reduce<unknown>((group, name) => (group as Record<string, unknown>)[name], tiny);
    return `tiny: ${typeof set === 'boolean' ? (set ? 'on' : 'off') : set === '' ? 'none' : set}`;
  };
}

/** Checks options and earlier checkpoints before loading any data, then trains. */
async function runStage(stage: Stage, given: TrainingGiven): Promise<void> {
  let heldOut = 0;
  const { run, preset } = await openGivenRun(given, stage, (dataset) => {
    heldOut = dataset.validation.count;
    console.log(describeDataset(dataset));
  });
  const base = merge<object>(given.resume && run.has(stage) ? {} : (preset[stage.name] as object), run.base(stage));
  const settings = readSettings(stage.settings, withNamedSizes(stage, base, given), given);
  expectFromDecides(stage, settings as { from?: string }, given);
  await openGivenDevice(given, 'high');
  if (given.resume && !run.has(stage)) {
    console.log(`${stage.name}: nothing to resume in ${run.checkpoint(stage)}; starting at the beginning`);
  }
  const row = await trainStage(run, stage, settings as object);
  const notes = [...lengthsNote([row]), ...(heldOut > 0 ? [tableNote(heldOut)] : [])];
  console.log([`\n${table([row])}\n`, ...notes].join('\n'));
  console.log(
    `Saved in ${run.checkpoint(stage)}; look at ${run.folder}/${stage.picture} and ${run.folder}/report.html.`,
  );
}

/** @throws OptionError for an option that has no effect because the model that the stage goes on from decides */
function expectFromDecides({ name, settings }: Stage, { from }: { from?: string }, given: TrainingGiven): void {
  if (!from) return;
  for (const setting of settingsOf(settings)) {
    const option = new SettingOption(setting);
    if (!isDecidedByModel(name, setting.path) || given[option.attributeName()] === undefined) continue;
    throw new OptionError(
      `${option.long}: expected no such option with --from ${from}, whose model decides it. Leave one of them out.`,
    );
  }
}

/** --teacher and --model name configurations that the other --teacher-… and --model-… options change. */
function withNamedSizes(stage: Stage, settings: object, given: TrainingGiven): object {
  if (stage.name === 'teacher' && given['teacher'] !== undefined)
    return { ...settings, teacher: teacherConfigs[readSettings(teacherKind, {}, given).teacher] };
  const named = typeof given['model'] === 'string' ? publishedModels(stage)[given['model']] : undefined;
  if (!named) return settings;
  const { head, proxyCodebookSize, pixelDecoder, decoder, ...model } = named; // the stage decides these
  const { patchSize, ...sizes } = decoder;
  return merge(settings, { model: { ...model, decoder: head === 'proxy' ? sizes : decoder } });
}
