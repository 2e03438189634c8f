/** The command line in this process or in a child, on a few small pictures, in sizes that train in a second. */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, type TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';
import { runCommandLine } from '../../cli/program.ts';
import { Rng } from '../../core/index.ts';
import { writePng } from '../../data/index.ts';

export interface Outcome {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command here; colors are left out. An option that is given again replaces the one before. */
export async function titok(t: TestContext, ...args: string[]): Promise<Outcome> {
  return titokAsGiven(t, ...lastOfEach(args));
}

/** `titok` with every argument as it is. */
export async function titokAsGiven(t: TestContext, ...args: string[]): Promise<Outcome> {
  const lines = { out: [] as string[], err: [] as string[] };
  const log = t.mock.method(console, 'log', (text: string) => lines.out.push(text));
  const error = t.mock.method(console, 'error', (text: string) => lines.err.push(text));
  const status = await runCommandLine(args);
  log.mock.restore();
  error.mock.restore();
  return { status, out: plain(lines.out.join('\n')), err: plain(lines.err.join('\n')) };
}

/** Leaves out options that are given again later, with their values: tests add to options that they share. */
function lastOfEach(args: readonly string[]): string[] {
  const isRepeated = (arg: string, i: number) => arg.startsWith('--') && args.lastIndexOf(arg) > i;
  return args.filter(
    (arg, i) => !isRepeated(arg, i) && !(i > 0 && !arg.startsWith('--') && isRepeated(args[i - 1], i - 1)),
  );
}

const main = fileURLToPath(new URL('../../cli/main.ts', import.meta.url));
const tsx = import.meta.resolve('tsx');

/** Starts a command in a program of its own. @param preload  modules to run before it */
export function startTitok(cwd: string, args: readonly string[], preload: readonly string[] = []) {
  const imports = [tsx, ...preload].flatMap((url) => ['--import', url]);
  const child = spawn(process.execPath, [...imports, main, ...lastOfEach(args)], {
    cwd,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { out: '', err: '' };
  child.stdout.on('data', (chunk: Buffer) => {
    text.out += chunk;
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text.err += chunk;
  });
  const ended = new Promise<Outcome & { signal: string | null }>((resolve) => {
    child.on('close', (status, signal) => resolve({ status, signal, out: plain(text.out), err: plain(text.err) }));
  });
  return { child, ended };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: colors begin with it
const plain = (text: string): string => text.replace(/\x1b\[[\d;]*m/g, '');

/** Makes a folder the working folder, where runs/ is, until the tests of the file are over. */
export function workIn(folder: string): string {
  const before = process.cwd();
  process.chdir(folder);
  after(() => process.chdir(before));
  return folder;
}

/** Two classes of 16 × 16 pictures: 6 to train on and 2 held out in each. */
export async function writePictures(folder: string): Promise<string> {
  const rng = new Rng(5);
  for (const [split, count] of [
    ['train', 6],
    ['val', 2],
  ] as const) {
    for (const name of ['cats', 'dogs']) {
      mkdirSync(join(folder, split, name), { recursive: true });
      for (let i = 0; i < count; i++) {
        const [a, b, c] = rng.uniforms(3, 1, 30) as unknown as [number, number, number];
        const data = Uint8Array.from({ length: 16 * 16 * 3 }, (_, p) => (a * p + b * (p % 16) + c * (p % 3)) % 256);
        await writePng(join(folder, split, name, `${i}.png`), { width: 16, height: 16, data });
      }
    }
  }
  return folder;
}

/** Options of a training that takes a second. */
export const quick = (name: string, data: string): string[] => [
  ...['--name', name, '--data', data, '--threads', '1', '--batch-size', '2', '--picture-every', '0'],
];
const sizes = ['--model-image-size', '16', '--model-latent-tokens', '4', '--model-codebook-size', '16'];
const halves = ['encoder', 'decoder'].flatMap((half) => [
  ...[`--model-${half}-width`, '16', `--model-${half}-layers`, '1', `--model-${half}-heads`, '2'],
]);
const ramp = ['--warmup-steps', '2'];
const generatorSizes = [
  ...['--generator-width', '16', '--generator-layers', '1', '--generator-heads', '2', '--generator-mlp-width', '32'],
  ...['--steps', '6', '--sampling-steps', '2', ...ramp],
] as const;
export const small = {
  teacher: [
    ...['--image-size', '16', '--teacher-stem', '8,8', '--teacher-dim', '4', '--teacher-codebook-size', '16'],
    ...['--teacher-res-blocks', '1', '--steps', '6', '--continuous-steps', '3', ...ramp],
  ],
  warmup: [...sizes, ...halves, '--steps', '6', '--continuous-steps', '3', ...ramp],
  single: [...sizes, ...halves, '--model-decoder-patch-size', '4', '--steps', '6', '--continuous-steps', '3', ...ramp],
  finetune: ['--steps', '4', ...ramp],
  generator: generatorSizes,
  generator2d: generatorSizes,
  diffusion: [
    ...['--model-width', '16', '--model-layers', '1', '--model-heads', '2', '--model-mlp-width', '32'],
    ...['--steps', '6', '--sampling-steps', '2', ...ramp],
  ],
} as const;

/**
 * Ctrl-C, or another interruption, when a stage has logged that many updates. Call what it returns when the command is over.
 *
 * @param interrupt  false when nobody listens: the training has not begun
 */
export function interruptAfter(
  updates: number,
  folder: string,
  stage: string,
  interrupt: () => boolean = () => process.emit('SIGINT'),
): () => void {
  let stopped = false;
  const timer = setInterval(() => {
    if (stopped || !existsSync(join(folder, 'log.jsonl')) || logged(folder, stage).length < updates) return;
    stopped = interrupt();
  }, 0);
  return () => clearInterval(timer);
}

/** What a stage logged. */
export function logged(folder: string, stage: string): { step: number; loss: number; seconds: number }[] {
  const lines = readFileSync(join(folder, 'log.jsonl'), 'utf8').trim().split('\n');
  return lines.map((line) => JSON.parse(line)).filter((entry) => entry.stage === stage);
}
