/** The page's side of the engine: numbered requests, of which the latest wins, and a worker that is replaced when it fails. */
import type { Arguments, Part, Reply, Request, Result, TaskName } from './protocol.ts';

/** What a task failed with, in the words of the library. */
export class EngineError extends Error {}

export interface RunOptions<N extends TaskName> {
  /** Requests of one channel replace each other: the earlier one ends without a result. Default: the task's name. */
  readonly channel?: string;
  /** Called with each part of the result as soon as it is there. */
  readonly onPart?: (part: Part<N>) => void;
  /** Waits until nothing else does. It is not interrupted for others, so keep it short. Default false. */
  readonly background?: boolean;
}

interface Pending {
  readonly request: Request & { kind: 'run' };
  readonly channel: string;
  readonly background: boolean;
  readonly onPart: (part: unknown) => void;
  readonly settle: (result: unknown) => void;
  readonly fail: (error: Error) => void;
  dropped: boolean;
}

/** Runs tasks in a worker, one at a time, in the order in which they were asked for; those in the background come last. */
export class Engine {
  #worker: Worker | undefined;
  #id = 0;
  #running: Pending | undefined;
  #waiting: Pending[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;
  /** What a new worker is told first: the model. */
  #setup: Pending['request'] | undefined;

  /**
   * Runs a task.
   *
   * @returns its result, or undefined when a later request of the channel replaced it, `stop` ended it, or another model
   *   was asked for while it waited
   * @throws EngineError with the library's message, when the task fails or the worker dies
   */
  run<N extends TaskName>(task: N, args: Arguments<N>, options: RunOptions<N> = {}): Promise<Result<N> | undefined> {
    const { channel = task, onPart = () => {}, background = false } = options;
    this.#drop(channel);
    return new Promise((resolve, reject) => {
      const request = { kind: 'run', id: ++this.#id, task, args } as const;
      if (task === 'load') {
        this.#setup = request;
        for (const { settle } of this.#waiting) settle(undefined); // they were meant for the model before
        this.#waiting = [];
      }
      this.#waiting.push({
        request,
        channel,
        background,
        onPart: onPart as (part: unknown) => void,
        settle: resolve as (result: unknown) => void,
        fail: reject,
        dropped: false,
      });
      this.#next();
    });
  }

  /** Ends a channel's work: at its next part, or with the worker if there is none within a second. */
  stop(channel: string): void {
    this.#drop(channel);
  }

  #drop(channel: string): void {
    for (const { settle } of this.#waiting.filter((p) => p.channel === channel)) settle(undefined);
    this.#waiting = this.#waiting.filter((p) => p.channel !== channel);
    const running = this.#running;
    if (running?.channel !== channel) return;
    running.dropped = true;
    this.#worker!.postMessage({ kind: 'cancel', id: running.request.id } satisfies Request);
    this.#patience ??= setTimeout(() => {
      if (this.#running !== running) return;
      this.#end();
      running.settle(undefined);
      this.#next();
    }, 1000);
  }

  #next(): void {
    if (this.#running) return;
    const next = this.#waiting.find(({ background }) => !background) ?? this.#waiting[0];
    if (!next) return;
    this.#waiting = this.#waiting.filter((other) => other !== next);
    this.#running = next;
    this.#worker ??= this.#start(next.request);
    this.#worker.postMessage(next.request);
  }

  /** A new worker, with the model of the last one unless that is what comes first. */
  #start(first: Request & { kind: 'run' }): Worker {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data }: MessageEvent<Reply>) => this.#hear(data);
    worker.onerror = (event) => {
      event.preventDefault();
      const dead = this.#running;
      this.#end();
      const why = event.message || 'its script could not be loaded';
      dead?.fail(new EngineError(`The engine of this page stopped (${why}). It starts again with what you do next.`));
      this.#next();
    };
    if (this.#setup && first.task !== 'load') worker.postMessage({ ...this.#setup, id: 0 });
    return worker;
  }

  #end(): void {
    this.#worker?.terminate();
    this.#worker = undefined;
    this.#settled();
  }
  #settled(): void {
    clearTimeout(this.#patience);
    this.#patience = undefined;
    this.#running = undefined;
  }

  #hear(reply: Reply): void {
    const running = this.#running;
    if (!running || reply.id !== running.request.id) return; // of an earlier worker's setup
    if (reply.kind === 'part') {
      if (!running.dropped) running.onPart(reply.value);
      return;
    }
    this.#settled();
    if (running.dropped) running.settle(undefined);
    else if (reply.kind === 'failed') running.fail(new EngineError(reply.message));
    else running.settle(reply.kind === 'done' ? reply.value : undefined);
    this.#next();
  }
}
