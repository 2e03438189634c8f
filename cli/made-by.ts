/** The commands that make a run anew, from what its checkpoints say. */
import { basename, resolve } from 'node:path';
import { mirroredEmoji } from '../data/index.ts';
import {
  type DataSource,
  isDecidedByModel,
  type Preset,
  parseSettings,
  presets,
  type RunFolder,
  type Setting,
  type Stage,
  settingsOf,
  stages,
} from '../train/index.ts';
import { SettingOption } from './options.ts';

/** `titok quickstart …` for a run that has a preset's settings, else `titok train …` for each stage that it has. */
export function commandsOf(run: RunFolder): string[] {
  const made = run.trained.map((name) => {
    const meta = run.meta({ name });
    return { name, meta, changes: changesOf(stages[name], meta.settings, meta.preset) };
  });
  const [first] = made;
  if (!first) return [];
  const common = (preset: string | undefined): string[] => [
    ...(preset === undefined ? [] : ['--preset', preset]),
    ...['--seed', String(first.meta.origin?.seed ?? 0)],
    ...imagesOf(first.meta.origin?.data),
    ...['--name', basename(resolve(run.folder))],
  ];
  const plain = made.every(({ meta, changes }) => changes.length === 0 && meta.preset === first.meta.preset);
  const names = made.map(({ name }) => name).join();
  const commands =
    plain && names === 'teacher,warmup,finetune,generator'
      ? [['quickstart', ...common(first.meta.preset)]]
      : made.map(({ name, meta, changes }) => ['train', name, ...common(meta.preset), ...changes]);
  return commands.map((words) => ['titok', ...words.map(quoted)].join(' '));
}

/** The options for settings that differ from the preset's. */
function changesOf(stage: Stage, settings: object, preset = ''): string[] {
  const given = (presets as Readonly<Record<string, Preset>>)[preset]?.[stage.name] ?? {};
  const usual = parseSettings(stage.settings, given, `preset ${preset}`);
  return settingsOf(stage.settings).flatMap((setting) => {
    const [is, was] = [settings, usual].map((values) => at(values, setting.path));
    const decided = (settings as { from?: string }).from && isDecidedByModel(stage.name, setting.path);
    return decided || is === undefined || JSON.stringify(is) === JSON.stringify(was) ? [] : optionOf(setting, is);
  });
}

function optionOf(setting: Setting, value: unknown): string[] {
  const { long } = new SettingOption(setting);
  return setting.type === 'boolean' ? [`${long}`] : [`${long}`, String(value)]; // arrays with commas
}

interface Images {
  readonly source?: Partial<DataSource> | undefined;
  readonly classes: readonly string[];
  readonly mirrored: readonly string[];
}

function imagesOf(data: Images | undefined): string[] {
  if (!data) return [];
  const { source, classes, mirrored } = data;
  const emoji = source?.path === 'emoji';
  const words = source?.path !== undefined && !emoji ? ['--data', source.path] : [];
  if (source?.classes !== undefined) words.push('--classes', source.classes);
  if (source?.heldOut !== undefined) words.push('--held-out', String(source.heldOut));
  if (source?.stream !== undefined) words.push(source.stream ? '--stream' : '--no-stream');
  if (source?.shuffleBuffer !== undefined) words.push('--shuffle-buffer', String(source.shuffleBuffer));
  if (source?.randomCrop) words.push('--random-crop');
  if (source?.skipBroken) words.push('--skip-broken');
  const usual = emoji ? mirroredEmoji(source.classes) : [];
  if (String(mirrored) === String(usual)) return words;
  const others = classes.filter((name) => !mirrored.includes(name));
  if (others.length === 0) words.push('--flip');
  else if (mirrored.length === 0) words.push('--no-flip');
  else words.push('--no-flip-classes', others.join());
  return words;
}

const at = (values: unknown, path: readonly string[]): unknown =>
  path.reduce<unknown>((group, name) => (group as Record<string, unknown> | undefined)?.[name], values);

/** A word as a shell takes it: 'my pictures'. */
export const quoted = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
