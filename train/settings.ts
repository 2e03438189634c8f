/**
 * Declaring a stage's settings, each in one line: type, range, default, and what it does or why it has that value.
 *
 *   const settings = group({
 *     steps: count(300, 'updates'),
 *     learningRate: positive(7e-4, 'at the top of the cosine'),
 *     codebook: oneOf(['average', 'gradient'], 'average', 'how codes follow their latents'),
 *   });
 *
 * Checks, types (`z.infer`), command-line options, their --help and the error messages all come from that line.
 */
import * as z from 'zod';
import { OptionError } from '../core/index.ts';
import type { Conflict, NameOf } from './together.ts';

/** What a number may be at most. Larger ones can only overflow float32, run out of memory, or never end. */
const most = { number: 1e38, count: 65_536, side: 4096, updates: 1e9, seed: 2 ** 32 - 1 };

/** A whole number from 1 to 65536, unless `least` and `most` say otherwise. */
export const count = (
  value: number,
  about: string,
  { least = 1, most: limit = most.count }: { least?: number; most?: number } = {},
) => z.int().min(least).max(limit).default(value).describe(about);

/** Updates of a training, from 0 to 10⁹ unless `least` says otherwise. */
export const updates = (value: number, about: string, { least = 0 }: { least?: number } = {}) =>
  count(value, about, { least, most: most.updates });

/** Layers, blocks or levels: from 1 to 1000 unless `least` says otherwise. */
export const depth = (value: number, about: string, { least = 1 }: { least?: number } = {}) =>
  count(value, about, { least, most: 1000 });

/** Width and height of images or patches: from 1 to 4096 pixels. */
export const side = (value: number, about: string) => count(value, about, { most: most.side });

/** A seed of random numbers: from 0 to 2³² − 1. */
export const seed = (value: number, about: string) => count(value, about, { least: 0, most: most.seed });

/** A number above 0. */
export const positive = (value: number, about: string) =>
  z.number().gt(0).max(most.number).default(value).describe(about);

/** A number ≥ 0: a weight, a temperature. */
export const weight = (value: number, about: string, { most: limit = most.number }: { most?: number } = {}) =>
  z.number().min(0).max(limit).default(value).describe(about);

/** A number ≥ 0 and < 1: a decay, a probability of dropping. */
export const share = (value: number, about: string) => z.number().min(0).lt(1).default(value).describe(about);

/** A number > 0 and < 1: a part of a whole. */
export const part = (value: number, about: string) => z.number().gt(0).lt(1).default(value).describe(about);

/** A number > 0 and ≤ 1. */
export const probability = (value: number, about: string) => z.number().gt(0).max(1).default(value).describe(about);

/** A number from 0 to 1. */
export const fraction = (value: number, about: string) => weight(value, about, { most: 1 });

/** One of a few words. */
export const oneOf = <const W extends string>(words: readonly W[], value: NoInfer<W>, about: string) =>
  z.enum(words).default(value).describe(about);

/** A path or a name; empty by default. */
export const text = (about: string) => z.string().default('').describe(about);

/** On or off. */
export const flag = (value: boolean, about: string) => z.boolean().default(value).describe(about);

/** Adam's decay rates β₁, β₂ of the averages of gradients and of their squares. */
export const betas = (value: readonly [number, number], about: string) => {
  const beta = z.number().min(0).lt(1);
  return z
    .tuple([beta, beta])
    .readonly()
    .default([...value])
    .describe(about);
};

/** One to twelve whole numbers from 1 to 65536: each halves the side of an image, and 4096 is 2¹². */
export const counts = (value: readonly number[], about: string) =>
  z
    .array(z.int().min(1).max(most.count))
    .min(1)
    .max(Math.log2(most.side))
    .readonly()
    .default([...value])
    .describe(about);

/** Settings under a common name: `weights.l2` is the option --weights-l2. Unknown names are errors. */
export const group = <S extends z.ZodRawShape>(shape: S) => z.strictObject(shape).prefault({} as never);

/** A value that is stored with the settings but is no option: fixed by the stage, or taken from an earlier one. */
export const internal = <T extends z.ZodType>(type: T): T => type.meta({ ...type.meta(), option: false });

/** One setting that is a value and not a group. */
export interface Setting {
  /** ['weights', 'l2'] */
  readonly path: readonly string[];
  readonly type: 'number' | 'boolean' | 'string' | 'numbers';
  /** What it accepts: 'a whole number from 1 to 4096'. */
  readonly range: string;
  /** Whether it accepts a value. */
  accepts(value: unknown): boolean;
  readonly default: unknown;
  readonly about: string;
  /** The words that it may be, for type 'string'. */
  readonly words: readonly string[];
  /** The kind of group that has this setting, where there are several: 'vqgan'. */
  readonly only: string | undefined;
}

/** What `z.toJSONSchema` says about one node, as far as it is used here. */
interface Node {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly anyOf?: readonly Node[];
  readonly oneOf?: readonly Node[];
  readonly items?: Node | false;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly prefixItems?: readonly Node[];
  readonly enum?: readonly string[];
  readonly const?: unknown;
  readonly default?: unknown;
  readonly description?: string;
  readonly option?: boolean;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
}

/** All settings of a group that are options, depth first. */
export const settingsOf = (schema: z.ZodType): Setting[] => walk(nodeOf(schema), []);

const nodes = new WeakMap<z.ZodType, Node>(); // a command line asks for the same ones again and again

function nodeOf(schema: z.ZodType): Node {
  const node = nodes.get(schema) ?? (z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as Node);
  nodes.set(schema, node);
  return node;
}

/** The part of stored values that a group has settings for; a checkpoint says more, such as its model's full sizes. */
export function knownSettings(schema: z.ZodType, values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const names = Object.keys(nodeOf(schema).properties ?? {});
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

function walk(node: Node, path: readonly string[], only?: string): Setting[] {
  if (node.option === false || node.const !== undefined) return [];
  const variants = node.anyOf ?? node.oneOf;
  if (variants) {
    const seen = new Set<string>();
    return variants
      .flatMap((variant) => {
        const kind = variant.properties?.['kind'];
        return walk(variant, path, kind?.default === undefined ? (kind?.const as string | undefined) : undefined);
      })
      .filter(({ path }) => !seen.has(path.join('.')) && seen.add(path.join('.')));
  }
  if (node.properties)
    return Object.entries(node.properties).flatMap(([name, child]) => walk(child, [...path, name], only));
  const item = node.prefixItems?.[0] ?? (node.items || undefined);
  const type = item ? 'numbers' : node.type === 'integer' ? 'number' : node.type;
  if (type !== 'numbers' && type !== 'number' && type !== 'boolean' && type !== 'string') return [];
  return [
    {
      path,
      type,
      range: rangeOf(node),
      accepts: (value) => accepts(node, value),
      default: node.default,
      about: node.description ?? '',
      words: node.enum ?? [],
      only,
    },
  ];
}

/** Whether a value is one that `rangeOf` describes. */
function accepts(node: Node, value: unknown): boolean {
  const item = node.prefixItems?.[0] ?? (node.items || undefined);
  if (item) {
    const { minItems = 0, maxItems = Number.POSITIVE_INFINITY } = node;
    const fits = Array.isArray(value) && value.length >= minItems && value.length <= maxItems;
    return fits && value.every((one) => accepts(item, one));
  }
  if (node.type !== 'number' && node.type !== 'integer')
    return typeof value === node.type && (node.enum?.includes(value as string) ?? true);
  const { minimum = -Infinity, maximum = Infinity, exclusiveMinimum = -Infinity, exclusiveMaximum = Infinity } = node;
  return (
    (node.type === 'integer' ? Number.isSafeInteger(value) : Number.isFinite(value)) &&
    (value as number) >= minimum &&
    (value as number) <= maximum &&
    (value as number) > exclusiveMinimum &&
    (value as number) < exclusiveMaximum
  );
}

/** 'a whole number from 1 to 4096', '2 numbers ≥ 0 and < 1 with commas', 'one of average, gradient' */
function rangeOf(node: Node): string {
  if (node.enum) return `one of ${node.enum.join(', ')}`;
  if (node.type === 'boolean') return 'true or false';
  if (node.type === 'string') return 'text';
  const item = node.prefixItems?.[0] ?? (node.items || undefined);
  if (!item) return `a ${numbers(node)}`;
  const { minItems, maxItems } = node;
  const many = minItems === maxItems ? `${minItems}` : `${minItems} to ${maxItems}`;
  return `${many} ${numbers(item).replace('number', 'numbers')} with commas`;
}

function numbers({ type, minimum, maximum, exclusiveMinimum, exclusiveMaximum }: Node): string {
  const kind = type === 'integer' ? 'whole number' : 'number';
  if (minimum !== undefined && maximum !== undefined) return `${kind} from ${short(minimum)} to ${short(maximum)}`;
  const limits = [
    minimum !== undefined && `≥ ${short(minimum)}`,
    exclusiveMinimum !== undefined && `> ${short(exclusiveMinimum)}`,
    maximum !== undefined && `≤ ${short(maximum)}`,
    exclusiveMaximum !== undefined && `< ${short(exclusiveMaximum)}`,
  ].filter((limit) => limit !== false);
  return `${kind} ${limits.join(' and ')}`;
}

/** 1000000000 → '1e9' */
const short = (n: number): string =>
  String(n)
    .replace(/^1(0{6,})$/, (_, zeros: string) => `1e${zeros.length}`)
    .replace('e+', 'e');

/**
 * Fills in defaults and checks everything.
 *
 * @param where  names the settings in errors: 'warmup settings'
 * @throws OptionError `warmup settings, weights.l2: expected a number from 0 to 1e38, got -1.`
 */
export function parseSettings<T extends z.ZodType>(schema: T, values: unknown, where: string): z.output<T> {
  return checked(
    schema,
    values,
    ({ path, expected, got, repair }) => `${where}, ${path.join('.')}: expected ${expected}, got ${got}.${repair}`,
  );
}

/** A setting that is wrong. */
export interface Mistake {
  readonly path: readonly string[];
  /** 'a whole number from 1 to 4096', or 'no such setting' */
  readonly expected: string;
  /** As JSON. */
  readonly got: string;
  /** ' Raise steps or lower continuousSteps.', or '' where the range says it all. */
  readonly repair: string;
}

/**
 * `parseSettings` with the caller's wording of a mistake.
 *
 * @param nameOf  names other settings in the message; by default 'model.encoder.heads'
 */
export function checked<T extends z.ZodType>(
  schema: T,
  values: unknown,
  message: (mistake: Mistake) => string,
  nameOf: (path: readonly string[]) => string = (path) => path.join('.'),
): z.output<T> {
  const result = schema.safeParse(values);
  if (result.success) return result.data;
  throw new OptionError(message(mistakeOf(result.error.issues[0], schema, values, nameOf)));
}

/** What a schema found first. */
export function mistakeOf(
  issue: z.core.$ZodIssue,
  schema: z.ZodType,
  values: unknown,
  nameOf: (path: readonly string[]) => string = (path) => path.join('.'),
): Mistake {
  const path = issue.path.map(String);
  if (issue.code === 'unrecognized_keys') {
    const at = [...path, issue.keys[0]];
    return { path: at, expected: 'no such setting', got: shown(values, at), repair: '' };
  }
  if (issue.code === 'custom' && issue.params) {
    const { setting, got, expected, repair } = issue.params['conflict'] as Conflict;
    const group = path.slice(0, path.length - setting.split('.').length);
    const name: NameOf = (other) => nameOf([...group, ...other.split('.')]);
    return { path, expected: expected(name), got: JSON.stringify(got), repair: repair ? ` ${repair(name)}` : '' };
  }
  const setting = settingsOf(schema).find((s) => s.path.every((name, i) => name === path[i]));
  const range = issue.code === 'custom' ? undefined : setting?.range;
  const expected = range ?? (issue.code === 'invalid_type' ? `a value of type ${issue.expected}` : issue.message);
  return { path: setting?.path ?? path, expected, got: shown(values, path), repair: '' };
}

function shown(values: unknown, path: readonly string[]): string {
  let value = values;
  for (const name of path) value = (value as Record<string, unknown> | undefined)?.[name];
  return JSON.stringify(value, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x)) ?? 'nothing';
}

/** `base` with `changes` on top, group by group. Arrays are values. */
export function merge<T>(base: T, changes: unknown): T {
  if (!isGroup(base) || !isGroup(changes)) return (changes === undefined ? base : changes) as T;
  const result: Record<string, unknown> = { ...base };
  for (const [name, value] of Object.entries(changes)) result[name] = merge(result[name], value);
  return result as T;
}

const isGroup = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
