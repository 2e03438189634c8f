/** One line that says where a training is: step, loss terms, rate, time left. */
import pc from 'picocolors';
import type { StepReport } from '../train/index.ts';

const minutes = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
};

/** Figures for the log only. */
const quiet: readonly string[] = ['learningRate', 'gradientNorm'];

/** Time and images that a training took, before it was interrupted and after. */
export interface Spent {
  readonly seconds: number;
  readonly images: number;
}

export interface ProgressOptions {
  readonly steps: number;
  /** Updates done when the line begins. */
  readonly done: number;
  readonly batchSize: number;
  /** By the sessions before this one. */
  readonly before: Spent;
}

/** Prints in place on a terminal, and every few seconds as a line elsewhere (a log file, a pipe). */
export class ProgressLine {
  readonly #name: string;
  readonly #options: ProgressOptions;
  readonly #started = performance.now();
  #shown = Number.NEGATIVE_INFINITY;
  #open = false;

  constructor(name: string, options: ProgressOptions) {
    this.#name = name;
    this.#options = options;
  }

  /** Since the training first began, pauses left out. */
  spent(done: number): Spent {
    const { seconds, images } = this.#session(done);
    const { before } = this.#options;
    return { seconds: before.seconds + seconds, images: before.images + images };
  }

  update(done: number, report: StepReport): void {
    const terminal = process.stdout.isTTY === true;
    const { steps } = this.#options;
    const now = performance.now();
    if (done < steps && now - this.#shown < (terminal ? 100 : 5000)) return;
    this.#shown = now;
    const { seconds, images } = this.#session(done);
    const left = ((steps - done) * seconds) / Math.max(1, done - this.#options.done);
    const terms = Object.entries(report)
      .filter(([name]) => !quiet.includes(name))
      .map(([name, value]) => `${name} ${Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3)}`);
    const rate = `${(images / seconds).toFixed(0)} images/s`;
    const time = done < steps ? `${minutes(left)} left` : `in ${minutes(this.spent(done).seconds)}`;
    const width = terminal ? process.stdout.columns || 80 : Infinity;
    const line = fitting([`${this.#name} ${done}/${steps}`, ...terms], [rate, time], width - 1);
    const shown = line.replace(this.#name, pc.bold(this.#name));
    process.stdout.write(terminal ? `\r\x1b[2K${shown}` : `${shown}\n`);
    this.#open = terminal;
  }

  /** Leaves the line, so that other text starts on a new one. */
  leave(): void {
    if (this.#open) process.stdout.write('\n');
    this.#open = false;
  }

  #session(done: number): Spent {
    const seconds = (performance.now() - this.#started) / 1000;
    return { seconds, images: (done - this.#options.done) * this.#options.batchSize };
  }
}

/** Leaves out the last of the first parts until the line fits: one that is wrapped cannot be overwritten. */
export function fitting(first: readonly string[], last: readonly string[], width: number): string {
  const line = [...first, ...last].join('  ');
  if (line.length <= width || first.length === 1) return line.slice(0, width);
  return fitting(first.slice(0, -1), last, width);
}
