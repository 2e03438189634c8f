/**
 * Settings as command-line options. Every number, switch and word of a recipe's settings is an option, nested ones with
 * a dash: `weights.perceptual` is --weights-perceptual. Types come from the defaults and are checked.
 */
import { type Command, Option } from 'commander';
import { z } from 'zod';
import { OptionError } from '../titok/index.ts';

type Leaf = number | boolean | string;
type Tree = { readonly [key: string]: unknown };

const kebab = (name: string): string => name.replace(/[A-Z0-9]+/g, (c) => (/\d/.test(c) ? c : `-${c.toLowerCase()}`));

/** Paths of the leaves: [['weights', 'perceptual'], 0.12]. Arrays and null are left alone. */
function leaves(tree: Tree, path: readonly string[] = []): [path: readonly string[], value: Leaf][] {
  return Object.entries(tree).flatMap(([key, value]): [readonly string[], Leaf][] => {
    const here = [...path, key];
    if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'string') return [[here, value]];
    return value !== null && typeof value === 'object' && !Array.isArray(value) ? leaves(value as Tree, here) : [];
  });
}

/** Words that a setting may be, where only some make sense. */
const words: Readonly<Record<string, readonly string[]>> = {
  codebook: ['average', 'gradient'],
  init: ['published', 'width'],
  head: ['proxy', 'pixels'],
  quantizeMode: ['vq', 'vae'],
  schedule: ['arccos', 'cosine', 'linear', 'root', 'square'],
  guidance: ['constant', 'linear', 'power-cosine'],
  architecture: ['bert', 'uvit'],
};

/** Adds an option for each leaf of `defaults`. */
export function addSettings(command: Command, defaults: object): void {
  for (const [path, value] of leaves(defaults as Tree)) {
    const name = path.map(kebab).join('-');
    if (path.at(-1) === 'kind') continue;
    const flag =
      typeof value === 'boolean'
        ? value
          ? `--no-${name}`
          : `--${name}`
        : `--${name} <${typeof value === 'number' ? 'number' : 'word'}>`;
    command.addOption(new Option(flag, `default ${value}`));
  }
}

/** `defaults` with what was given on the command line. @throws OptionError naming the option, what it takes and what came */
export function readSettings<T extends object>(defaults: T, given: Readonly<Record<string, unknown>>): T {
  const result = structuredClone(defaults) as Record<string, unknown>;
  for (const [path, value] of leaves(defaults as Tree)) {
    const name = path.map(kebab).join('-');
    const text = given[camel(name)];
    if (text === undefined) continue;
    const last = path.at(-1)!;
    let target = result;
    for (const key of path.slice(0, -1)) target = target[key] as Record<string, unknown>;
    target[last] = typeof value === 'boolean' ? text : parse(name, last, value, String(text));
  }
  return result as T;
}

function parse(option: string, key: string, like: number | string, text: string): number | string {
  const whole = /steps|size|every|tokens|layers|heads|width|classes/i.test(key);
  const number = z.coerce.number();
  const schema =
    typeof like === 'string'
      ? z.enum((words[key] ?? [like]) as [string, ...string[]])
      : whole
        ? number.int().nonnegative()
        : number;
  const parsed = text.trim() === '' ? undefined : schema.safeParse(text);
  if (parsed?.success) return parsed.data;
  const wanted =
    typeof like === 'string'
      ? `one of ${(words[key] ?? [like]).join(', ')}`
      : whole
        ? 'a whole number ≥ 0'
        : 'a number';
  throw new OptionError(`--${option}: expected ${wanted}, got '${text}'.`);
}

/** commander's name for an option: '--weights-l2' → weightsL2 */
const camel = (name: string): string => name.replace(/-(.)/g, (_, c: string) => c.toUpperCase());
