/** `titok train STAGE`: one training, with every setting as an option. */
import { mkdirSync } from 'node:fs';
import { type Command, Command as Subcommand } from 'commander';
import type { SamplingOptions } from '../../maskgit/index.ts';
import { openDataset } from '../datasets.ts';
import { originalStatistics } from '../evaluate.ts';
import { type Preset, type PresetName, presets } from '../presets.ts';
import { loadPixelTokenizer, loadTeacher, loadTiTok, loadTrunk, runFolder, useDevice } from '../runs.ts';
import { addSettings, readSettings } from '../settings.ts';
import { runFinetune, runGenerator, runSingle, runTeacher, runWarmup, type Session, type StageRow } from '../stages.ts';
import { choice, count } from '../values.ts';

type Stage = 'teacher' | 'warmup' | 'finetune' | 'single' | 'generator';
const descriptions: Readonly<Record<Stage, string>> = {
  teacher: 'stage 0: the 2-D tokenizer whose codes stage 1 predicts',
  warmup: "stage 1: TiTok on the teacher's codes (needs the run's teacher)",
  finetune: 'stage 2: the decoder on pixels (needs the run’s teacher and warmup)',
  single: 'TiTok from pixels in one stage, without a teacher',
  generator: "stage 3: MaskGIT on TiTok's tokens (needs finetune or single)",
};

export function addTrain(program: Command): void {
  const train = new Subcommand('train').description('Trains one stage of a run.');
  for (const stage of Object.keys(descriptions) as Stage[]) {
    const command = train
      .command(stage)
      .description(descriptions[stage])
      .option('--preset <name>', Object.keys(presets).join(', '), 'tiny')
      .option('--name <name>', 'folder under runs/', 'quickstart')
      .option('--seed <number>', 'of weights and data order', '0')
      .option('--data <folder>', "'emoji' or a folder of class folders", 'emoji')
      .option('--device <name>', 'what to run on', 'cpu')
      .option('--threads <number>', 'of the cpu device; all cores unless given')
      .option('--resume', 'go on where the training stopped', false)
      .option('--picture-every <steps>', 'updates between pictures; 0: at the end', '250')
      .action((given) => runStage(stage, given));
    addSettings(command, presets.tiny[stage]);
    if (stage === 'generator') addSettings(command, { sampling: presets.tiny.sampling });
  }
  program.addCommand(train);
}

async function runStage(stage: Stage, given: Record<string, string> & { resume: boolean }): Promise<void> {
  const preset: Preset = presets[choice('--preset', given['preset']!, Object.keys(presets)) as PresetName];
  const settings = <S extends Stage>(name: S) => readSettings(preset[name], given) as Preset[S];
  await useDevice(
    given['device']!,
    given['threads'] === undefined ? {} : { threads: count('--threads', given['threads']) },
  );
  const folder = runFolder(given['name']!);
  const imageSize = (stage === 'warmup' ? settings('warmup') : stage === 'single' ? settings('single') : preset.warmup)
    .model.imageSize;
  const session = await openSession(folder, given, imageSize);
  const row = await trainStage(stage, session, settings, {
    ...preset.sampling,
    ...readSettings({ sampling: preset.sampling }, given).sampling,
  });
  console.log(JSON.stringify(row));
}

function trainStage(
  stage: Stage,
  session: Session,
  settings: <S extends Stage>(name: S) => Preset[S],
  sampling: SamplingOptions,
): Promise<StageRow> {
  const { folder } = session;
  const rowOf = async (run: Promise<{ row: StageRow }>) => (await run).row;
  switch (stage) {
    case 'teacher':
      return rowOf(runTeacher(session, settings('teacher')));
    case 'warmup':
      return rowOf(runWarmup(session, settings('warmup'), loadTeacher(folder)));
    case 'finetune':
      return rowOf(runFinetune(session, settings('finetune'), loadTiTok(folder, 'warmup'), loadTeacher(folder)));
    case 'single':
      return rowOf(runSingle(session, settings('single')));
    case 'generator':
      return rowOf(runGenerator(session, settings('generator'), sampling, loadPixelTokenizer(folder)));
  }
}

async function openSession(
  folder: string,
  given: Record<string, string> & { resume: boolean },
  imageSize: number,
): Promise<Session> {
  mkdirSync(folder, { recursive: true });
  const dataset = await openDataset(given['data']!, imageSize);
  const trunk = loadTrunk();
  const originals = await originalStatistics(trunk, dataset.validation, dataset.size);
  const seed = count('--seed', given['seed']!);
  return {
    folder,
    dataset,
    trunk,
    originals,
    seed,
    resume: given.resume,
    pictureEvery: count('--picture-every', given['pictureEvery']!),
  };
}
