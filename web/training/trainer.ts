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
const silence = 120_000; // ms, until a worker that says nothing is taken for one that hangs, as on a GPU that is lost

/** A training in a worker of its own. */
export class Trainer {
  readonly #worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
  readonly #hearer: Hearer;
  readonly #device: string;
  #silent: ReturnType<typeof setTimeout> | undefined;
  #isReady = false;
  #isAtWork = false;
  /** No pause is due: one that is reported began before the worker heard so. */
  #isEndless = true;
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
    this.tell(start);
  }

  tell(request: Request): void {
    this.#worker.postMessage(request);
    if (request.kind === 'play') this.#isEndless = request.updates === Number.POSITIVE_INFINITY;
    if (request.kind === 'pause') this.#isEndless = false;
    if (request.kind !== 'start' && request.kind !== 'play') return;
    this.#isAtWork = true;
    this.#listen();
  }

  /** From now on the worker has to say something now and then. */
  #listen(): void {
    clearTimeout(this.#silent);
    if (this.#isOver || !this.#isAtWork) return;
    this.#silent = setTimeout(() => {
      const [device, minutes] = [deviceNames[this.#device], silence / 60_000];
      const what = this.#isReady ? `has not answered for ${minutes}` : `did not get ready within ${minutes}`;
      this.#end({ sentence: `${device} ${what} minutes. ${elsewhere(this.#device)}` });
    }, silence);
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
    if (report.kind === 'step') this.#isReady = true;
    if (report.kind === 'paused') {
      if (this.#isEndless) return;
      this.#isAtWork = false;
    }
    if (report.kind !== 'preparing' && report.kind !== 'ready') this.#listen();
    this.#hearer.report(report);
    if (report.kind === 'finished') this.#end();
  }

  #end(problem?: Problem): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#silent);
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
