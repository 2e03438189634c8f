/** Settings as command-line options: `weights.perceptual` is --weights-perceptual. */
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import { OptionError } from '../core/index.ts';
import { checked, fromText, type Mistake, merge, parseSettings, type Setting, settingsOf } from '../train/index.ts';

/** Option values as commander hands them over, by camelCase name. */
export type Given = Readonly<Record<string, unknown>>;

/** ['weights', 'l2Norm'] → 'weights-l2-norm' */
const optionName = (path: readonly string[]): string =>
  path.map((name) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)).join('-');

/** An option whose text is checked as soon as it is read, before anything is loaded or written. */
export class CheckedOption extends Option {
  readonly read: (text: string) => unknown;

  constructor(flags: string, about: string, read: (text: string) => unknown) {
    super(flags, about);
    this.read = read;
  }
}

/** An option that is declared as a setting. */
export class SettingOption extends CheckedOption {
  readonly setting: Setting;

  constructor(setting: Setting, about = '') {
    const name = optionName(setting.path);
    const value = { number: '<number>', numbers: '<numbers>', string: setting.words.length > 0 ? '<word>' : '<file>' };
    const flags =
      setting.type === 'boolean' ? `--${setting.default ? 'no-' : ''}${name}` : `--${name} ${value[setting.type]}`;
    super(flags, about, (text) => fromText(setting, `--${name}`, text));
    this.setting = setting;
  }
}

/**
 * Adds an option for each setting of a schema, with its reason and range.
 *
 * @param fallback  what holds when the option is left out: 'tiny: 3000'
 */
export function addSettings(command: Command, schema: z.ZodType, fallback: (setting: Setting) => string): Command {
  for (const setting of settingsOf(schema)) {
    const range = setting.type === 'boolean' || setting.range === 'text' ? '' : `${setting.range.replace(/^a /, '')}; `;
    const off = setting.type === 'boolean' && setting.default ? 'switches off: ' : '';
    const option = new SettingOption(setting, `${off}${setting.about} (${range}${fallback(setting)})`);
    command.addOption(option);
    if (option.negate) command.setOptionValue(option.attributeName(), undefined); // commander calls --no-… given, as true
  }
  return command;
}

/** What holds when an option is left out, for `addSettings`: 'default 12' */
export const byDefault = ({ default: value }: Setting): string => `default ${value}`;

/**
 * Makes every option with a value, of a command and of those below it, check its text. An option that is given twice must
 * say the same twice; a switch is on or off.
 */
export function checkOptions(command: Command): void {
  for (const off of command.options.filter(({ negate }) => negate)) {
    const on = command.options.find(({ long }) => long === off.long?.replace('--no-', '--'));
    const given = new Set<Option>();
    for (const option of on ? [on, off] : []) {
      command.on(`option:${option.name()}`, () => {
        if (given.add(option).size > 1)
          throw new OptionError(`${on?.long}: expected one of ${on?.long} and ${off.long}, got both.`);
      });
    }
  }
  for (const option of command.options.filter(({ required }) => required)) {
    const name = option.long ?? option.flags;
    let first: string | undefined;
    option.argParser((text: string) => {
      first ??= text;
      if (text !== first) throw new OptionError(`${name}: expected one value, got '${first}' and '${text}'.`);
      if (option instanceof CheckedOption) return option.read(text);
      if (text === '') throw new OptionError(`${name}: expected a value, got ''.`);
      return text;
    });
  }
  for (const child of command.commands) checkOptions(child);
}

/**
 * `base` with the given options on top, checked.
 *
 * @throws OptionError naming the option, what it accepts and what it got
 */
export function readSettings<T extends z.ZodType>(schema: T, base: unknown, given: Given): z.output<T> {
  const values = settingsOf(schema).reduce<unknown>(
    (tree, setting) => {
      const value = given[new SettingOption(setting).attributeName()];
      return value === undefined ? tree : merge(tree, nested(setting.path, value));
    },
    parseSettings(schema, base, 'settings'),
  );
  return checked(
    schema,
    values,
    (mistake) => message(mistake, values),
    (path) => `--${optionName(path)}`,
  );
}

function message({ path, expected, got, repair }: Mistake, values: unknown): string {
  const option = `--${optionName(path)}`;
  if (expected !== 'no such setting') return `${option}: expected ${expected}, got ${got}.${repair}`;
  const [group] = path;
  const { kind } = (values as Record<string, { kind: string }>)[group];
  return `${option}: expected no such option with a ${kind} ${group}, got ${got}.`;
}

const nested = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
