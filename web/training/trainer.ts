/** The page's side of a training: a worker that is ended when it does not answer, and its failures in words for visitors. */
import type { Report, Request, Start } from './messages.ts';

/** What went wrong, for visitors; `detail` is the library's own message. */
export interface Problem {
  readonly sentence: string;
  readonly detail?: string;
}

/** What the page is told. Reports come until `ended`, which comes once. */
export interface Hearer {
  report(report: Report): void;
  /** @param problem  undefined: as the visitor or the plan wanted */
  ended(problem?: Problem): void;
}

const patience = 1000; // ms, until a worker that was told to stop is ended
const startLimit = 120_000; // ms, until the first update

/** A training in a worker of its own. */
export class Trainer {
  readonly #worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  readonly #hearer: Hearer;
  readonly #device: string;
  readonly #starting: ReturnType<typeof setTimeout>;
  #stopping: ReturnType<typeof setTimeout> | undefined;
  #isOver = false;

  constructor(start: Start, hearer: Hearer) {
    this.#hearer = hearer;
    this.#device = start.device;
    this.#worker.onmessage = ({ data }: MessageEvent<Report>) => this.#hear(data);
    this.#worker.onerror = (event) => {
      event.preventDefault();
      this.#end({
        sentence: 'The training stopped unexpectedly.',
        detail: event.message || 'The script of its worker could not be loaded.',
      });
    };
    this.#starting = setTimeout(() => {
      this.#end({
        sentence: `${deviceNames[start.device]} did not get ready within ${startLimit / 60_000} minutes. ${elsewhere(start.device)}`,
      });
    }, startLimit);
    this.tell(start);
  }

  tell(request: Request): void {
    this.#worker.postMessage(request);
  }

  /** Lets the present update finish and be saved. A worker that takes more than a second, or compiles, is ended. */
  stop(): void {
    if (this.#isOver) return;
    this.tell({ kind: 'stop' });
    this.#stopping ??= setTimeout(() => this.#end(), patience);
  }

  #hear(report: Report): void {
    if (this.#isOver) return;
    if (report.kind === 'failed') {
      this.#end(problemOf(report, this.#device));
      return;
    }
    if (report.kind === 'step' || report.kind === 'paused') clearTimeout(this.#starting);
    this.#hearer.report(report);
    if (report.kind === 'finished') this.#end();
  }

  #end(problem?: Problem): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#starting);
    clearTimeout(this.#stopping);
    this.#worker.terminate();
    this.#hearer.ended(problem);
  }
}

/** What the page calls the devices. */
export const deviceNames: Readonly<Record<string, string>> = {
  cpu: 'The processor',
  webgpu: 'WebGPU',
  webgl2: 'WebGL 2',
};

const elsewhere = (device: string): string =>
  device === 'cpu'
    ? 'Close other pages and try again.'
    : 'Choose the processor under Advanced: it works in every browser.';

/** A library error in words for visitors. */
function problemOf({ name, message }: { name: string; message: string }, device: string): Problem {
  const detail = `${name}: ${message}`;
  switch (name) {
    case 'DeviceError':
      return /\blost\b/.test(message)
        ? { sentence: `${deviceNames[device]} was lost while it trained. ${elsewhere(device)}`, detail }
        : { sentence: `${deviceNames[device]} does not work here. ${elsewhere(device)}`, detail };
    case 'CheckpointError':
    case 'DataError':
      return {
        sentence: 'This file is no training that this page can go on with. Choose one that was downloaded here.',
        detail,
      };
    case 'NonFiniteError':
      return { sentence: 'The numbers grew beyond all bounds. Start again with another seed.', detail };
    case 'Error': // of fetchCached
      return { sentence: message };
    default:
      return { sentence: 'The training stopped unexpectedly.', detail };
  }
}
