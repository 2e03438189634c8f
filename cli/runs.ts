/** Where runs are. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Argument, type Option } from 'commander';
import { OptionError, suggestion } from '../core/index.ts';
import { openRun, type Preset, presets, type Run, RunFolder } from '../train/index.ts';
import { CheckedOption } from './options.ts';

/** Names that Windows keeps for devices, with any ending. */
const reserved = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i;
// biome-ignore lint/suspicious/noControlCharactersInRegex: no file system takes them all
const forbidden = /[\u0000-\u001f\u007f/\\<>:"|?*]|^\s|[\s.]$/;

/** @throws OptionError unless a name is that of one folder on every system, so that nothing is written outside of runs/ */
function runName(text: string, where = '--name'): string {
  if (text !== '' && Buffer.byteLength(text) <= 100 && !forbidden.test(text) && !reserved.test(text)) return text;
  throw new OptionError(
    `${where}: expected the name of a folder in runs/, got '${text.slice(0, 100)}'. Take letters, digits, '-' and '_', at most 100.`,
  );
}

/** --name, of a run that is there. */
export const runNameOption = (about: string): Option =>
  new CheckedOption('--name <name>', about, (text) => runName(text));

/** A run as an argument. */
export const runArgument = (about: string): Argument =>
  new Argument('<run>', about).argParser((text) => runName(text, 'run'));

/** --name, of a run to train in. */
export const nameOption = (about: string): Option => runNameOption(about).default('quickstart');

export const runFolder = (name: string): string => join('runs', name);

const isRun = (folder: string): boolean =>
  existsSync(join(folder, 'log.jsonl')) || new RunFolder(folder).trained.length > 0;

/** Whether `shownRun` finds one. */
export const isShownRun = (name: string): boolean => [runFolder(name), name].some(isRun);

/** A run to measure, with as many held-out images as its preset measures. */
export async function openTrainedRun(folder: string): Promise<Run> {
  const { preset = '' } = new RunFolder(folder).before() ?? {};
  const { heldOut } = (presets as Readonly<Record<string, Preset>>)[preset] ?? {};
  return openRun(folder, heldOut === undefined ? {} : { heldOut });
}

/**
 * The folder of a run that has something to show, by its name in runs/ or by its path.
 *
 * @throws OptionError when there is none
 */
export function shownRun(name: string): string {
  const found = [runFolder(name), name].find(isRun);
  if (found !== undefined) return found;
  const names = existsSync('runs') ? readdirSync('runs').filter((other) => isRun(runFolder(other))) : [];
  const there = names.length > 0 ? ` Runs here: ${names.join(', ')}.` : '';
  throw new OptionError(
    `run: expected a folder in runs/, or the path of a run, got '${name}'${suggestion(name, names)}.${there}`,
  );
}
