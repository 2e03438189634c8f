/** What a run shows of a training besides its checkpoint: the log, pictures over time, event files and report.html. */
import { join } from 'node:path';
import { Film, forgetFrames } from './film.ts';
import type { HeldOut } from './held-out.ts';
import { type LogFigures, RunLog } from './log.ts';
import { forgetEvents, StageEvents } from './report/events.ts';
import { writeReport } from './report/report.ts';
import { readResults, writeResult } from './results.ts';
import type { StageName } from './stage.ts';

/** How a training is watched. */
export interface WatchOptions {
  /** Updates that the stage's checkpoint holds. */
  readonly done: number;
  /** Updates between pictures; 0: none are kept. */
  readonly pictureEvery: number;
  /** Whether event files are written. */
  readonly tensorboard: boolean;
  /** The command that trains. */
  readonly command?: string | undefined;
}

const reportMs = 10_000; // between two reports while training

export class Watch {
  readonly #folder: string;
  readonly #stage: StageName;
  readonly #options: WatchOptions;
  readonly #log: RunLog;
  readonly #film: Film | undefined;
  readonly #events: StageEvents | undefined;
  #reportedAt = Number.NEGATIVE_INFINITY;

  /** @param folder  of the run */
  constructor(folder: string, stage: StageName, options: WatchOptions) {
    const { done, pictureEvery, tensorboard } = options;
    this.#folder = folder;
    this.#stage = stage;
    this.#options = options;
    this.#log = new RunLog(folder, stage, done);
    this.#film = pictureEvery > 0 ? new Film(folder, stage, pictureEvery) : undefined;
    this.#events = tensorboard ? new StageEvents(folder, stage, done) : undefined;
  }

  /** @param warning  of a guard, see `Guards` */
  update(step: number, seconds: number, figures: LogFigures, warning?: string): void {
    const entry = { seconds: Math.round(1000 * seconds) / 1000, ...figures };
    this.#log.write(step, warning === undefined ? entry : { ...entry, warning });
    this.#events?.update(step, figures);
  }

  heldOut(step: number, { images, figures }: HeldOut): void {
    this.#log.writeHeldOut(step, images, figures);
    this.#events?.heldOut(step, figures);
  }

  error(step: number, error: string): void {
    this.#log.write(step, { error });
  }

  /** Keeps a picture that was just drawn. @param last  of the stage: then they are joined to an animated one */
  picture(step: number, path: string, last: boolean): void {
    const frame = this.#film?.keep(step, path, last);
    if (frame) this.#events?.picture(step, frame.path);
    if (last) this.#film?.animate();
  }

  /** After the first checkpoint: forgets what it replaces. @param all  the log of every stage */
  forgetEarlier(all: boolean): void {
    const { done, command } = this.#options;
    this.#log.forgetEarlier(done, all);
    if (this.#film) this.#film.forgetEarlier(done);
    else forgetFrames(this.#folder, this.#stage, done);
    if (this.#events) this.#events.forgetEarlier(done);
    else forgetEvents(this.#folder, this.#stage, done);
    const before = done > 0 ? (readResults(this.#folder)[this.#stage]?.commands ?? []) : [];
    const isNew = command !== undefined && !before.includes(command);
    writeResult(this.#folder, this.#stage, { commands: isNew ? [...before, command] : before });
  }

  /** Writes report.html. @param live  while training: not more often than every ten seconds */
  report(live: boolean): void {
    if (live && performance.now() - this.#reportedAt < reportMs) return;
    this.#reportedAt = performance.now();
    writeReport(join(this.#folder, 'report.html'), [this.#folder], { live });
  }
}
