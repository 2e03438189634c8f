/** `titok train STAGE`: one training, with every setting as an option. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { loadCheckpoint } from '../../data/index.ts';
import { leanTeacher, type PixelDecoderConfig, publishedVqgan, type VqganConfig } from '../../titok/index.ts';
import {
  expectMadeWith,
  loadPixelTokenizer,
  loadTeacher,
  loadTiTok,
  type Preset,
  presets,
  runFinetune,
  runFolder,
  runGenerator,
  runSingle,
  runTeacher,
  runWarmup,
  type Stage,
  type StageRow,
  stageFile,
  stages,
  storedSettings,
} from '../../train/index.ts';
import { openGiven } from '../device.ts';
import { addSessionOptions, describeDataset, openSession, presetOf, type SessionGiven } from '../session.ts';
import { addSettings, expectNone, readSettings } from '../settings.ts';
import { table, tableNote } from '../table.ts';
import { choice, count } from '../values.ts';

const descriptions: Readonly<Record<Stage, string>> = {
  teacher: 'stage 0: the 2-D tokenizer whose codes stage 1 predicts',
  warmup: "stage 1: TiTok on the teacher's codes (needs the run's teacher)",
  finetune: "stage 2: the decoder on pixels (needs the run's teacher and warmup)",
  single: 'TiTok from pixels in one stage, without a teacher',
  generator: "stage 3: MaskGIT on TiTok's tokens (needs finetune or single)",
};

/** Settings that are no options: a stage fixes them or has no use for them, or they follow from the stage before. */
const followed: Readonly<Record<Stage, readonly string[]>> = {
  teacher: ['weights.perceptual', 'weights.adversarial', 'weights.kl'],
  warmup: ['model.head', 'model.quantizeMode', 'model.proxyCodebookSize', 'model.decoder.patchSize'],
  finetune: ['weights.quantizer', 'weights.kl'],
  single: [
    ...['model.head', 'model.quantizeMode', 'model.proxyCodebookSize'],
    ...['weights.adversarial', 'weights.kl'],
  ],
  generator: ['generator.latentTokens', 'generator.codebookSize', 'generator.classes'],
};

/** The published teacher in the width at which it trains on a laptop: one code for each 4 × 4 pixels. */
const laptopVqgan: VqganConfig = {
  kind: 'vqgan',
  hiddenChannels: 32,
  channelMult: [1, 2, 4],
  resBlocks: 2,
  zChannels: 16,
  codebookSize: 512,
};
const teachers: Readonly<Record<string, PixelDecoderConfig>> = {
  lean: leanTeacher,
  vqgan: laptopVqgan,
  published: publishedVqgan,
};

export function addTrain(program: Command): void {
  const train = program.command('train').description('Trains one stage of a run.');
  for (const stage of stages) {
    const command = addSessionOptions(train.command(stage).description(descriptions[stage]));
    if (stage === 'teacher') {
      command
        .option('--teacher <kind>', 'lean, vqgan (MaskGIT-VQGAN, narrow) or published (its full size); default lean')
        .option('--weights-from <file>', 'safetensors to start from, such as the published teacher')
        .option('--image-size <pixels>', 'width and height of the images', String(presets.tiny.warmup.model.imageSize));
    }
    command.action((given: SessionGiven) => runStage(stage, given));
    addSettings(command, presets.tiny[stage], { except: followed[stage], describe: (value) => `tiny: ${value}` });
    if (stage === 'teacher')
      addSettings(command, { teacher: laptopVqgan }, { describe: (value) => `vqgan only: ${value}` });
    if (stage === 'generator')
      addSettings(command, { sampling: presets.tiny.sampling }, { describe: (value) => `tiny: ${value}` });
  }
}

async function runStage(stage: Stage, given: SessionGiven): Promise<void> {
  const preset: Preset = presets[presetOf(given)];
  const folder = runFolder(given.name);
  const checkpoint = stageFile(folder, stage);
  await openGiven(given);
  const train = prepare[stage](given, preset, folder);
  if (given.resume && !existsSync(checkpoint)) {
    console.log(`${stage}: nothing to resume in ${checkpoint}; starting at the beginning`);
  }
  const { row, heldOut } = await train;
  console.log(`\n${table([row])}\n\n${tableNote(heldOut)}`);
  const picture = stage === 'generator' ? 'samples' : stage;
  console.log(`Saved in ${checkpoint}; look at ${folder}/${picture}.png.`);
}

/** What the command asks for, over what the stage was trained with until now, or over its preset. */
function settingsOf<S extends Stage>(stage: S, given: SessionGiven, preset: Preset, folder: string): Preset[S] {
  const stored = given.resume ? storedSettings<Preset[S]>(folder, stage) : undefined;
  return readSettings<Preset[S]>(stored ?? preset[stage], given);
}

type Result = Promise<{ row: StageRow; heldOut: number }>;

/** Options and what earlier stages left are read, and found wanting, before the data is. */
const prepare: Readonly<Record<Stage, (given: SessionGiven, preset: Preset, folder: string) => Result>> = {
  async teacher(given, preset, folder) {
    const kind = given['teacher'] as string | undefined;
    const config =
      kind === undefined ? preset.teacher.teacher : teachers[choice('--teacher', kind, Object.keys(teachers))];
    const asked = { ...preset, teacher: { ...preset.teacher, teacher: config } };
    const settings = settingsOf('teacher', given, asked, folder);
    expectNone({ teacher: { ...leanTeacher, ...laptopVqgan } }, settings, given, `a ${settings.teacher.kind} teacher`);
    const file = given['weightsFrom'] as string | undefined;
    const weights = file === undefined ? undefined : loadCheckpoint(file).groups['model'];
    const session = await open(given, count('--image-size', String(given['imageSize']), 1));
    return finish(session, runTeacher(session, settings, weights));
  },
  async warmup(given, preset, folder) {
    const settings = settingsOf('warmup', given, preset, folder);
    const teacher = loadTeacher(folder);
    const session = await open(given, settings.model.imageSize);
    return finish(session, runWarmup(session, settings, teacher));
  },
  async finetune(given, preset, folder) {
    const settings = settingsOf('finetune', given, preset, folder);
    const [warm, teacher] = [loadTiTok(folder, 'warmup'), loadTeacher(folder)];
    await expectMadeWith(folder, 'warmup', 'teacher', teacher);
    const session = await open(given, warm.config.imageSize);
    return finish(session, runFinetune(session, settings, warm, teacher));
  },
  async single(given, preset, folder) {
    const settings = settingsOf('single', given, preset, folder);
    const session = await open(given, settings.model.imageSize);
    return finish(session, runSingle(session, settings));
  },
  async generator(given, preset, folder) {
    const settings = settingsOf('generator', given, preset, folder);
    const { sampling } = readSettings({ sampling: preset.sampling }, given);
    const model = loadPixelTokenizer(folder);
    const session = await open(given, model.config.imageSize);
    return finish(session, runGenerator(session, settings, sampling, model));
  },
};

async function open(given: SessionGiven, imageSize: number) {
  const session = await openSession(given, imageSize);
  console.log(describeDataset(session));
  return session;
}

const finish = async (session: Awaited<ReturnType<typeof open>>, run: Promise<{ row: StageRow }>): Result => ({
  row: (await run).row,
  heldOut: session.dataset.validation.count,
});
