/**
 * One side of a comparison: a child process that holds a workload – ours, PyTorch's or another library's – and runs
 * slices of it when asked. Each side has its own memory, threads and compiler, and none runs while another does.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as rest } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MatmulPrecision } from '../core/index.ts';

export interface OpTime {
  readonly op: string;
  readonly ms: number;
  readonly calls: number;
}

/** What is asked, a line of JSON each … */
export type Request = { readonly sliceMs: number } | { readonly profile: true } | { readonly memory: true };
/** … and answered. The first line comes unasked. */
export type Answer =
  | Hello
  | { readonly ms: readonly number[] }
  | { readonly ops: readonly OpTime[] }
  | { readonly peakRssMiB: number };

export interface Hello {
  readonly name: string;
  readonly version: string;
  /** Numbers that all sides must agree on. */
  readonly check: readonly number[];
  /** How many, where the workload has any. */
  readonly parameters: number;
  /** Ours: what the device really does. */
  readonly matmulPrecision?: MatmulPrecision | undefined;
  /** PyTorch: the library that multiplies matrices. */
  readonly blas?: string;
}

/** A side that is not there: `message` says why, and what would bring it. */
export class AbsentError extends Error {
  override name = 'AbsentError';
}

/** Idle threads of the side that ran before (OpenBLAS, OpenMP, ours) go on spinning for some milliseconds. */
const REST_MS = 60;

export class Side {
  readonly hello: Hello;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<Answer>;

  /** @throws Error with the last line of its stderr when the process ends before it has said hello */
  static async start(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Side> {
    const child = spawn(command, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] });
    let complaint = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaint = (complaint + text).slice(-2000);
    });
    child.on('error', (error) => {
      complaint += error.message;
    });
    child.stdin.on('error', () => {}); // a side that died says so when it does not answer
    const answers = answersOf(child);
    const { value, done } = await answers.next();
    if (done) throw new Error(`bench: ${[command, ...args].join(' ')} ended: ${complaint.trim().split('\n').at(-1)}`);
    return new Side(child, answers, value as Hello);
  }

  private constructor(child: ChildProcess, answers: AsyncIterator<Answer>, hello: Hello) {
    this.#child = child;
    this.#answers = answers;
    this.hello = hello;
  }

  /** Milliseconds of the calls of one slice: as many as fit, at least one. */
  async slice(sliceMs: number): Promise<readonly number[]> {
    await rest(REST_MS);
    return ((await this.#ask({ sliceMs })) as { ms: number[] }).ms;
  }
  /** The costliest ops of one call. */
  async profile(): Promise<readonly OpTime[]> {
    return ((await this.#ask({ profile: true })) as { ops: OpTime[] }).ops;
  }
  async peakRssMiB(): Promise<number> {
    return ((await this.#ask({ memory: true })) as { peakRssMiB: number }).peakRssMiB;
  }
  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const ended = once(this.#child, 'exit');
    this.#child.stdin!.end();
    await ended;
  }

  async #ask(request: Request): Promise<Answer> {
    this.#child.stdin!.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await this.#answers.next();
    if (done) throw new Error(`bench: ${this.hello.name} ended before it answered ${JSON.stringify(request)}.`);
    return value;
  }
}

async function* answersOf(child: ChildProcess): AsyncGenerator<Answer> {
  for await (const line of createInterface({ input: child.stdout! })) {
    if (line.startsWith('{')) yield JSON.parse(line) as Answer; // libraries print greetings in between
  }
}

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** A workload of ours: a file of bench/workloads and one of its cases. */
export const ours = (
  file: string,
  name: string,
  threads: number,
  matmulPrecision: MatmulPrecision = 'highest',
): Promise<Side> =>
  Side.start(process.execPath, [
    '--import',
    import.meta.resolve('tsx'),
    here(`workloads/${file}.ts`),
    name,
    '--threads',
    String(threads),
    '--matmul-precision',
    matmulPrecision,
  ]);

/** Debian's, which has python3-torch, whatever other pythons stand before it in PATH. */
export const python = process.env['BENCH_PYTHON'] ?? '/usr/bin/python3';

/**
 * The same in PyTorch.
 *
 * @throws AbsentError when torch is absent, or multiplies with the reference BLAS, which is 20 times slower than others
 */
export async function pytorch(file: string, name: string, threads: number, ompThreads: number): Promise<Side> {
  const script = [
    here(`pytorch/${file}.py`),
    name,
    '--blas-threads',
    String(threads),
    '--omp-threads',
    String(ompThreads),
  ];
  const side = await Side.start(python, script).catch((error: Error) => {
    if (!/No module named '(torch|numpy)'|ENOENT/.test(error.message)) throw error;
    throw new AbsentError('torch is not installed; Debian: apt install python3-torch libopenblas0-pthread');
  });
  if (side.hello.blas !== 'reference') return side;
  await side.close();
  throw new AbsentError(
    'torch multiplies with the reference BLAS and is 20 times slower than it could be; install libopenblas0-pthread',
  );
}

/**
 * The same in a library of bench/peers.
 *
 * @throws AbsentError when the libraries are not installed
 */
export async function peer(library: string, name: string, threads: number): Promise<Side> {
  if (!existsSync(here('peers/node_modules'))) {
    throw new AbsentError(`${library} is not installed; npm ci --prefix bench/peers --ignore-scripts`);
  }
  return Side.start(process.execPath, [
    '--import',
    import.meta.resolve('tsx'),
    here(`peers/${library}.js`),
    name,
    '--threads',
    String(threads),
  ]);
}
