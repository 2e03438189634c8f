/** Settings as command-line options: `weights.perceptual` is --weights-perceptual. */
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import { checked, type Mistake, merge, parseSettings, type Setting, settingsOf } from '../train/index.ts';

/** Option values as commander hands them over, by camelCase name. */
export type Given = Readonly<Record<string, unknown>>;

/** ['weights', 'l2Norm'] → 'weights-l2-norm' */
const optionName = (path: readonly string[]): string =>
  path.map((name) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)).join('-');

function optionOf(setting: Setting, description?: string): Option {
  const name = optionName(setting.path);
  const value = { number: '<number>', numbers: '<numbers>', string: setting.words.length > 0 ? '<word>' : '<file>' };
  const flag =
    setting.type === 'boolean' ? `--${setting.default ? 'no-' : ''}${name}` : `--${name} ${value[setting.type]}`;
  return new Option(flag, description);
}

/**
 * Adds an option for each setting of a schema, with its reason and range.
 *
 * @param fallback  what holds when the option is left out: 'tiny: 3000'
 */
export function addSettings(command: Command, schema: z.ZodType, fallback: (setting: Setting) => string): void {
  for (const setting of settingsOf(schema)) {
    const range = setting.type === 'boolean' || setting.range === 'text' ? '' : `${setting.range.replace(/^a /, '')}; `;
    command.addOption(optionOf(setting, `${setting.about} (${range}${fallback(setting)})`));
  }
}

/**
 * `base` with the given options on top, checked.
 *
 * @throws OptionError naming the option, what it accepts and what it got
 */
export function readSettings<T extends z.ZodType>(schema: T, base: unknown, given: Given): z.output<T> {
  const settings = settingsOf(schema);
  const textOf = (setting: Setting) => given[optionOf(setting).attributeName()];
  const values = settings.reduce<unknown>(
    (tree, setting) => {
      const text = textOf(setting);
      return text === undefined ? tree : merge(tree, nested(setting.path, parsed(setting, text)));
    },
    parseSettings(schema, base, 'settings'),
  );
  return checked(
    schema,
    values,
    (mistake) => {
      const setting = settings.find(({ path }) => path.join() === mistake.path.join());
      return message(mistake, setting && textOf(setting), values);
    },
    (path) => `--${optionName(path)}`,
  );
}

function message({ path, expected, got, repair }: Mistake, text: unknown, values: unknown): string {
  const option = `--${optionName(path)}`;
  if (text === undefined) return `${option}: expected ${expected}, got ${got}.${repair}`;
  if (expected !== 'no such setting') return `${option}: expected ${expected}, got '${text}'.${repair}`;
  const [group] = path;
  const { kind } = (values as Record<string, { kind: string }>)[group];
  return `${option}: expected no such option with a ${kind} ${group}, got ${text}.`;
}

function parsed({ type }: Setting, text: unknown): unknown {
  if (typeof text !== 'string') return text; // a switch
  const number = (part: string) => (part.trim() === '' ? Number.NaN : Number(part));
  if (type === 'number') return number(text);
  return type === 'numbers' ? text.split(',').map(number) : text;
}

const nested = (path: readonly string[], value: unknown): unknown =>
  path.reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
