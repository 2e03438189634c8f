/** One line that says where a training is: step, loss terms, rate, time left. */
import pc from 'picocolors';
import type { StepReport } from '../nn/index.ts';

const minutes = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
};

/** Prints in place on a terminal, and every few seconds as a line elsewhere (a log file, a pipe). */
export class ProgressLine {
  readonly #name: string;
  readonly #steps: number;
  readonly #batchSize: number;
  readonly #started = performance.now();
  readonly #first: number;
  #shown = 0;

  constructor(name: string, { steps, done, batchSize }: { steps: number; done: number; batchSize: number }) {
    this.#name = name;
    this.#steps = steps;
    this.#batchSize = batchSize;
    this.#first = done;
  }

  /** Seconds since the line began, and images per second. */
  rate(done: number): { seconds: number; imagesPerSecond: number } {
    const seconds = (performance.now() - this.#started) / 1000;
    return { seconds, imagesPerSecond: ((done - this.#first) * this.#batchSize) / seconds };
  }

  update(done: number, report: StepReport): void {
    const terminal = process.stdout.isTTY === true;
    const now = performance.now();
    if (done < this.#steps && now - this.#shown < (terminal ? 100 : 5000)) return;
    this.#shown = now;
    const { seconds, imagesPerSecond } = this.rate(done);
    const left = ((this.#steps - done) * seconds) / Math.max(1, done - this.#first);
    const terms = Object.entries(report)
      .filter(([name]) => name !== 'learningRate')
      .map(([name, value]) => `${name} ${Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3)}`);
    const line =
      `${pc.bold(this.#name)} ${done}/${this.#steps}  ${terms.join('  ')}  ${imagesPerSecond.toFixed(0)} images/s  ` +
      (done < this.#steps ? `${minutes(left)} left` : `in ${minutes(seconds)}`);
    process.stdout.write(terminal ? `\r\x1b[2K${line}${done >= this.#steps ? '\n' : ''}` : `${line}\n`);
  }

  /** Leaves the line, so that other text starts on a new one. */
  leave(): void {
    if (process.stdout.isTTY) process.stdout.write('\n');
  }
}
