/** The process in which trials run. One that hangs or dies is replaced: that is a failure of its case and ends nothing else. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { CaseResult } from './kind.ts';

/** What the process is asked to do. */
export type Task = 'prepare' | { readonly kind: string; readonly seed: number; readonly number: number };

const program = fileURLToPath(new URL('./worker-process.ts', import.meta.url));
const patience = 300_000; // ms; a case that takes longer hangs

export class Worker {
  readonly #folder: string;
  #child: ChildProcess | undefined;

  /** @param folder  where it works */
  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Makes what all trials need. */
  async prepare(): Promise<void> {
    const { failure } = await this.#ask('prepare');
    if (failure !== undefined) throw new Error(failure);
  }

  run(task: Task & object): Promise<CaseResult> {
    return this.#ask(task);
  }

  close(): void {
    this.#child?.kill('SIGKILL');
  }

  async #ask(task: Task): Promise<CaseResult> {
    this.#child ??= fork(program, { cwd: this.#folder, execArgv: ['--import', import.meta.resolve('tsx')] });
    const child = this.#child;
    const timer = setTimeout(() => child.kill('SIGKILL'), patience);
    child.send(task);
    const result = await new Promise<CaseResult | undefined>((resolve) => {
      child.once('message', (message: CaseResult) => resolve(message)).once('exit', () => resolve(undefined));
    });
    clearTimeout(timer);
    child.removeAllListeners();
    if (result) return result;
    this.#child = undefined;
    const how = child.killed
      ? `no answer within ${patience / 1000} s`
      : `its process died of ${child.signalCode ?? child.exitCode}`;
    return { endings: {}, failure: how };
  }
}
