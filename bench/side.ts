/**
 * One side of a comparison: a child process that holds a workload and runs slices of it on request. Each side has its own
 * memory, threads and compiler, and only one runs at a time. The other end is bench/serve.ts or bench/pytorch/serve.py.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { MatmulPrecision } from '../core/index.ts';

export interface OpTime {
  readonly op: string;
  readonly ms: number;
  readonly calls: number;
}

/** A request: one line of JSON on the child's stdin. */
export type Request = { readonly sliceMs: number } | { readonly profile: true } | { readonly memory: true };
/** Its answer: one line of JSON on stdout. The child sends `Hello` first, without a request. */
export type Answer =
  | Hello
  | { readonly ms: readonly number[] /** Of all threads, per call. Ours only. */; readonly cpuMs?: number }
  | { readonly ops: readonly OpTime[] }
  | { readonly peakRssMiB: number /** At this moment. Ours only. */; readonly rssMiB?: number };

export interface Hello {
  readonly name: string;
  readonly version: string;
  /** Results that all sides must agree on. */
  readonly check: readonly number[];
  /** Number of parameters; 0 if the workload has none. */
  readonly parameters: number;
  /** Ours only: the precision that the device really uses. */
  readonly matmulPrecision?: MatmulPrecision | undefined;
  /** PyTorch only: the library that multiplies matrices. */
  readonly blas?: string;
}

/** Idle threads of the side that ran before (OpenBLAS, OpenMP, ours) spin for some milliseconds before they sleep. */
const REST_MS = 60;

export class Side {
  readonly hello: Hello;
  /** Of all threads of our process per call, in the latest slice. */
  cpuMs = Number.NaN;
  readonly #child: ChildProcess;
  readonly #answers: AsyncIterator<Answer>;

  /** @throws Error with the last line of stderr when the process ends before its `Hello` */
  static async start(command: string, args: readonly string[]): Promise<Side> {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let errors = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    child.on('error', (error) => {
      errors += error.message;
    });
    child.stdin.on('error', () => {}); // a dead child is reported when its answer is missing
    const answers = answersOf(child);
    const { value, done } = await answers.next();
    if (done) throw new Error(`bench: ${[command, ...args].join(' ')} ended: ${errors.trim().split('\n').at(-1)}`);
    return new Side(child, answers, value as Hello);
  }

  private constructor(child: ChildProcess, answers: AsyncIterator<Answer>, hello: Hello) {
    this.#child = child;
    this.#answers = answers;
    this.hello = hello;
  }

  /** Milliseconds of each call in a slice of time; at least one call. */
  async slice(sliceMs: number): Promise<readonly number[]> {
    await sleep(REST_MS);
    const { ms, cpuMs = Number.NaN } = (await this.#ask({ sliceMs })) as { ms: number[]; cpuMs?: number };
    this.cpuMs = cpuMs;
    return ms;
  }
  /** The slowest ops of one call. */
  async profile(): Promise<readonly OpTime[]> {
    return ((await this.#ask({ profile: true })) as { ops: OpTime[] }).ops;
  }
  async peakRssMiB(): Promise<number> {
    return ((await this.#ask({ memory: true })) as { peakRssMiB: number }).peakRssMiB;
  }
  /** Resident memory at this moment, of our own processes. */
  async rssMiB(): Promise<number> {
    return ((await this.#ask({ memory: true })) as { rssMiB: number }).rssMiB;
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
    if (line.startsWith('{')) yield JSON.parse(line) as Answer; // some libraries print a greeting of their own
  }
}

/**
 * The largest difference between the results of two sides, relative to the largest result.
 *
 * @throws Error above the tolerance: the sides did not compute the same, so their times cannot be compared
 */
export function difference(a: Side, b: Side, tolerance = 1e-3): number {
  const [x, y] = [a.hello.check, b.hello.check];
  const largest = Math.max(...y.map(Math.abs));
  const relative = Math.max(...y.map((value, i) => Math.abs(value - x[i]))) / largest;
  if (x.length === y.length && relative <= tolerance) return relative;
  throw new Error(
    `bench: expected ${a.hello.name} and ${b.hello.name} to compute the same to ${tolerance}, got ${x.slice(0, 4)} … and ${y.slice(0, 4)} … (${x.length} and ${y.length} numbers, difference ${relative}).`,
  );
}
