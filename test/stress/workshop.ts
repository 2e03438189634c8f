/** The folder that the trials share: small pictures, a run of every stage that nobody disturbed, and commands on them. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { isDeepStrictEqual, stripVTControlCharacters } from 'node:util';
import { runCommandLine } from '../../cli/program.ts';
import { loadCheckpoint } from '../../data/index.ts';
import { type StageName, stageNames } from '../../train/index.ts';
import { quick, small, writePictures } from '../cli/command-line.ts';
import { expect } from './kind.ts';

/** What a stage needs to be there. */
export const earlier: Readonly<Record<StageName, readonly StageName[]>> = {
  teacher: [],
  warmup: ['teacher'],
  finetune: ['teacher', 'warmup'],
  single: [],
  generator: ['teacher', 'warmup', 'finetune'],
  generator2d: ['teacher'],
  diffusion: ['teacher'],
};

/** Options by name; a switch has the value ''. */
export type Options = Readonly<Record<string, string>>;

const pairs = (args: readonly string[]): Options =>
  Object.fromEntries(args.flatMap((arg, i) => (i % 2 === 0 ? [[arg, args[i + 1]]] : [])));

/** As arguments. */
const list = (options: Options): string[] =>
  Object.entries(options).flatMap(([name, value]) => (value === '' ? [name] : [name, value]));

/** Options of a training of a few updates that saves and draws on the way. */
export const training = (stage: StageName, name: string): Options => ({
  ...pairs(quick(name, 'pictures')),
  ...pairs(small[stage]),
  '--steps': '12',
  '--save-every': '3',
  '--picture-every': '5',
  '--measure-every': '2',
});

/** Arguments of a training in the run `name`. */
export const train = (stage: StageName, name: string, changes: Options = {}): string[] => [
  'train',
  stage,
  ...list({ ...training(stage, name), ...changes }),
];
export const resume: Options = { '--resume': '' };

export interface Outcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. One that is still training after `patience` ms gets Ctrl-C. */
export async function here(args: readonly string[], patience = Infinity): Promise<Outcome> {
  const text = { out: '', err: '' };
  const writers = { out: process.stdout.write, err: process.stderr.write };
  const collect = (to: 'out' | 'err') => (chunk: string | Uint8Array) => {
    text[to] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
    return true;
  };
  process.stdout.write = collect('out') as typeof process.stdout.write;
  process.stderr.write = collect('err') as typeof process.stderr.write;
  const started = performance.now();
  const timer = setInterval(() => {
    if (performance.now() - started > patience && process.emit('SIGINT')) clearInterval(timer);
  }, 100);
  try {
    const status = await runCommandLine(args);
    return { status, signal: null, out: plain(text.out), err: plain(text.err) };
  } finally {
    clearInterval(timer);
    process.stdout.write = writers.out;
    process.stderr.write = writers.err;
  }
}

const plain = stripVTControlCharacters;
const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const tripModule = new URL('./trip.ts', import.meta.url).href;
const tsx = import.meta.resolve('tsx');

export interface ChildOptions {
  /** What trip.ts does in the child. */
  readonly trip?: object;
  /** Largest file that it may write, in KiB. */
  readonly fileLimit?: number;
  readonly onStart?: (child: ChildProcessByStdio<null, Readable, Readable>) => void;
}

/** Runs a command in a process of its own. @throws Error when it does not end within 90 s */
export async function apart(args: readonly string[], options: ChildOptions = {}): Promise<Outcome> {
  const { trip, fileLimit, onStart } = options;
  const node = [process.execPath, '--import', tsx, ...(trip ? ['--import', tripModule] : []), main, ...args];
  const limited = fileLimit === undefined ? node : ['bash', '-c', `ulimit -f ${fileLimit}; exec "$@"`, 'bash', ...node];
  const env = { ...process.env, ...(trip && { TITOK_TRIP: JSON.stringify(trip) }) };
  const child = spawn(limited[0], limited.slice(1), { stdio: ['ignore', 'pipe', 'pipe'], env });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk;
  });
  let hung = false;
  const timer = setTimeout(() => {
    hung = true;
    child.kill('SIGKILL');
  }, 90_000);
  onStart?.(child);
  const [status, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  clearTimeout(timer);
  expect(!hung, `expected an end within 90 s of titok ${args.join(' ')}\n${text.out}${text.err}`);
  return { status, signal, out: plain(text.out), err: plain(text.err) };
}

// ---- what has to hold ---------------------------------------------------------------------------------------------

const stack = /^\s+at .+[:)]\d*|^node:|Unhandled|Uncaught|Warning:/m;

/** Success, or a message without a stack trace and a status other than 0. @returns 'done' or 'refused' */
export function expectTold({ status, err }: Outcome, what: string): 'done' | 'refused' {
  expect(!stack.test(err), `${what}: expected a message, got a stack trace\n${err}`);
  expect(status === 0 || status === 1 || status === 130, `${what}: expected status 0, 1 or 130, got ${status}\n${err}`);
  expect(status !== 1 || err.trim() !== '', `${what}: expected a reason for status 1, got none`);
  return status === 1 ? 'refused' : 'done';
}

const runFile = (run: string, file: string) => join('runs', run, file);
export const checkpoint = (run: string, stage: StageName) => runFile(run, `${stage}.safetensors`);

/** A run that has what a stage needs, and nothing else. */
export function startRun(name: string, stage: StageName): void {
  removeRun(name);
  mkdirSync(join('runs', name), { recursive: true });
  copyEarlier(name, stage);
}

/** What a stage needs, from the undisturbed run. */
export function copyEarlier(name: string, stage: StageName): void {
  for (const s of earlier[stage]) cpSync(checkpoint('whole', s), checkpoint(name, s));
}

export const removeRun = (name: string): void => rmSync(join('runs', name), { recursive: true, force: true });

/** The updates that a checkpoint holds, 0 if there is none. @throws CheckpointError for a damaged one */
export function updatesOf(path: string): number {
  if (!existsSync(path)) return 0;
  return (loadCheckpoint(path).meta['state'] as { done: number }).done;
}

/** Goes on with a training and expects the result of the one that was never disturbed, to the bit, and nothing left over. */
export async function expectSameEnd(name: string, stage: StageName): Promise<void> {
  const outcome = await here(train(stage, name, resume));
  expect(outcome.status === 0, `expected to go on with --resume, got status ${outcome.status}\n${outcome.err}`);
  expectSame(name, stage);
}

/** Compares a finished training with the one that was never disturbed. */
export function expectSame(name: string, stage: StageName): void {
  const [got, want] = [name, 'whole'].map((run) => contentOf(checkpoint(run, stage)));
  for (const key of new Set([...Object.keys(want), ...Object.keys(got)])) {
    expect(
      isDeepStrictEqual(got[key], want[key]),
      `${stage}: expected the same ${key} as in a training without a pause`,
    );
  }
  const [logged, expected] = [name, 'whole'].map((run) => logOf(run, stage));
  const other = expected.findIndex((entry, i) => !isDeepStrictEqual(entry, logged[i]));
  expect(
    other < 0 && logged.length === expected.length,
    `${stage}: expected a log of ${expected.length} updates, got ${logged.length}; entry ${other} differs\n` +
      [expected, logged]
        .map((entries) => entries.at(other))
        .map((entry) => JSON.stringify(entry))
        .join('\n'),
  );
  const left = readdirSync(join('runs', name)).filter(
    (file) => !/^([\w-]+\.(safetensors|png)|log\.jsonl|results\.json|report\.html|pictures)$/.test(file),
  );
  expect(left.length === 0, `${stage}: expected nothing left over, got ${left.join(', ')}`);
}

/** Tensors and metadata of a checkpoint by name, times left out. */
function contentOf(path: string): Record<string, unknown> {
  const { groups, meta } = loadCheckpoint(path);
  const { loop, ...rest } = meta as { loop: { seconds: number } };
  const tensors = Object.entries(groups).flatMap(([group, members]) =>
    Object.entries(members).map(([name, tensor]) => [`${group}/${name}`, tensor]),
  );
  return { ...Object.fromEntries(tensors), ...rest, loop: { ...loop, seconds: 0 } };
}

/** What a stage logged, times left out. */
function logOf(run: string, stage: StageName): unknown[] {
  const lines = readFileSync(runFile(run, 'log.jsonl'), 'utf8').trim().split('\n');
  return lines
    .map((line) => JSON.parse(line) as { stage?: string; heldOut?: string })
    .filter((entry) => (entry.heldOut ?? entry.stage) === stage)
    .map((entry) => ({ ...entry, seconds: 0 }));
}

// ---- preparation --------------------------------------------------------------------------------------------------

/** Of the undisturbed trainings: file operations in the run, and milliseconds. */
type Extent = Readonly<Record<StageName, { readonly operations: number; readonly ms: number }>>;

/** Pictures in pictures/, and every stage trained without a disturbance in runs/whole. */
export async function prepare(): Promise<void> {
  await writePictures('pictures');
  const extent: Record<string, { operations: number; ms: number }> = {};
  for (const stage of stageNames) {
    const started = performance.now();
    const { status, err } = await apart(train(stage, 'whole'), { trip: { count: 'operations.json' } });
    expect(status === 0, `expected to train ${stage} without a disturbance, got\n${err}`);
    const operations = JSON.parse(readFileSync('operations.json', 'utf8')) as number;
    extent[stage] = { operations, ms: performance.now() - started };
  }
  writeFileSync('extent.json', JSON.stringify(extent));
}

export const extentOf = (stage: StageName) => (JSON.parse(readFileSync('extent.json', 'utf8')) as Extent)[stage];
