/**
 * Settings as command-line options. Every number, switch, word and list of numbers of a recipe's settings is an option,
 * nested ones with a dash: `weights.perceptual` is --weights-perceptual. Types come from the defaults and are checked.
 */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { OptionError } from '../core/index.ts';

type Leaf = number | boolean | string | readonly number[];
type Tree = { readonly [key: string]: unknown };
type Path = readonly string[];

export interface SettingsOptions {
  /** Settings that follow from something else and are no options: 'model.head'. */
  readonly except?: readonly string[];
  /** Says what holds when an option is left out. */
  readonly describe?: (value: string) => string;
}

/** weights.l2Norm → weights-l2-norm */
const optionName = (path: Path): string =>
  path.map((name) => name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`)).join('-');

/** commander's name for an option: weights-l2-norm → weightsL2Norm */
const camel = (name: string): string => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());

const isNumbers = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length > 0 && value.every((x) => typeof x === 'number');

/** Paths of the leaves: [['weights', 'perceptual'], 0.12]. What is null, or says which kind a config is, is no leaf. */
function leaves(tree: Tree, path: Path = []): [path: Path, value: Leaf][] {
  return Object.entries(tree).flatMap(([key, value]): [Path, Leaf][] => {
    const here = [...path, key];
    if (key === 'kind') return [];
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return [[here, value]];
    if (isNumbers(value)) return [[here, value]];
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? leaves(value as Tree, here) : [];
  });
}

/** Words that a setting may be, where only some make sense. */
const words: Readonly<Record<string, readonly string[]>> = {
  codebook: ['average', 'gradient'],
  init: ['published', 'width'],
  schedule: ['arccos', 'cosine', 'linear', 'root', 'square'],
  guidance: ['constant', 'linear', 'power-cosine'],
  architecture: ['bert', 'uvit'],
};

/** Adds an option for each leaf of `defaults` that is not there yet. */
export function addSettings(command: Command, defaults: object, options: SettingsOptions = {}): void {
  const { except = [], describe = (value) => `default ${value}` } = options;
  for (const [path, value] of leaves(defaults as Tree)) {
    const name = optionName(path);
    const flag =
      typeof value === 'boolean'
        ? `--${value ? 'no-' : ''}${name}`
        : `--${name} <${isNumbers(value) ? 'numbers' : typeof value === 'number' ? 'number' : 'word'}>`;
    if (except.includes(path.join('.')) || command.options.some((o) => o.flags.split(' ')[0] === flag.split(' ')[0]))
      continue;
    const text = typeof value === 'boolean' ? (value ? 'on' : 'off') : String(value);
    const choices = typeof value === 'string' ? `${wordsOf(path, value).join(', ')}; ` : '';
    command.addOption(new Option(flag, `${choices}${describe(text)}`));
  }
}

/**
 * `defaults` with what was given on the command line.
 * @throws OptionError naming the option, what it takes and what came
 */
export function readSettings<T extends object>(defaults: T, given: Readonly<Record<string, unknown>>): T {
  const result = structuredClone(defaults) as Record<string, unknown>;
  for (const [path, value] of leaves(defaults as Tree)) {
    const name = optionName(path);
    const text = given[camel(name)];
    if (text === undefined) continue;
    let target = result;
    for (const key of path.slice(0, -1)) target = target[key] as Record<string, unknown>;
    target[path.at(-1)!] = typeof value === 'boolean' ? text : parse(`--${name}`, path, value, String(text));
  }
  return result as T;
}

/** @throws OptionError when an option was given that only other settings have */
export function expectNone(
  others: object,
  settings: object,
  given: Readonly<Record<string, unknown>>,
  without: string,
): void {
  const known = leaves(settings as Tree).map(([path]) => optionName(path));
  for (const [path] of leaves(others as Tree)) {
    const name = optionName(path);
    if (known.includes(name) || given[camel(name)] === undefined) continue;
    throw new OptionError(`--${name}: expected no such option with ${without}, got ${given[camel(name)]}.`);
  }
}

const wordsOf = (path: Path, like: string): readonly string[] => words[path.at(-1)!] ?? [like];
/** Counts, as opposed to rates and weights. */
const isCount = (path: Path): boolean =>
  /(steps|size|every|tokens|layers|heads|width|classes|channels|blocks|stem|mult|^dim)$/i.test(path.at(-1)!);
/** Counts of which there may be none. */
const mayBeZero = (path: Path): boolean => /(steps|blocks)$/i.test(path.at(-1)!);

function parse(option: string, path: Path, like: Exclude<Leaf, boolean>, text: string): Leaf {
  const fail = (wanted: string): never => {
    throw new OptionError(`${option}: expected ${wanted}, got '${text}'.`);
  };
  if (typeof like === 'string') {
    const choices = wordsOf(path, like);
    return choices.includes(text) ? text : fail(`one of ${choices.join(', ')}`);
  }
  const number = z.coerce.number().nonnegative();
  const schema = !isCount(path) ? number : mayBeZero(path) ? number.int() : number.int().positive();
  const kind = !isCount(path) ? 'number ≥ 0' : mayBeZero(path) ? 'whole number ≥ 0' : 'whole number ≥ 1';
  const read = (part: string) => (part.trim() === '' ? undefined : schema.safeParse(part).data);
  if (typeof like === 'number') return read(text) ?? fail(`a ${kind}`);
  const numbers = text.split(',').map(read);
  const fits = isCount(path) || numbers.length === like.length; // a stem may be longer, but betas are two
  if (fits && numbers.every((n) => n !== undefined)) return numbers;
  return fail(`${isCount(path) ? '' : `${like.length} `}${kind.replace('number', 'numbers')} with commas`);
}
