/** One line that shows where a training is: step, loss terms, rate, time left. */
import pc from 'picocolors';
import type { Progress } from '../train/index.ts';

/** Figures for the log only. */
const quiet: readonly string[] = ['learningRate', 'gradientNorm'];

/** Prints in place on a terminal, and a line every few seconds elsewhere (a log file, a pipe). */
export function showProgress(name: string) {
  let shownAt = Number.NEGATIVE_INFINITY;
  let open = false;
  return {
    update(progress: Progress): void {
      const terminal = process.stdout.isTTY === true;
      const finished = progress.step === progress.steps;
      if (!finished && performance.now() - shownAt < (terminal ? 100 : 5000)) return;
      shownAt = performance.now();
      const width = terminal ? process.stdout.columns || 80 : Number.POSITIVE_INFINITY;
      const line = progressLine(name, progress, width - 1).replace(name, pc.bold(name));
      process.stdout.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
      open = terminal;
    },
    /** Ends the line, so that other text starts on a new one. */
    leave(): void {
      if (open) process.stdout.write('\n');
      open = false;
    },
  };
}

/** How much of a longer work is done, on stderr: stdout is for what the command makes. Nothing for what takes a moment. */
export function showShare(name: string) {
  const began = performance.now();
  let shownAt = began;
  let open = false;
  return {
    update(done: number, total: number, note = ''): void {
      const terminal = process.stderr.isTTY === true;
      const now = performance.now();
      if (now - shownAt < (terminal ? 500 : 5000)) return;
      shownAt = now;
      const left = ((now - began) / 1000) * (total / done - 1);
      const line = [
        name,
        `${Math.floor((100 * done) / total)} %`,
        ...(note ? [note] : []),
        ...(done > 0 ? [`${minutes(left)} left`] : []),
      ].join('  ');
      process.stderr.write(terminal ? `\r\x1b[2K${line}` : `${line}\n`);
      open = terminal;
    },
    /** Removes the line. */
    leave(): void {
      if (open) process.stderr.write('\r\x1b[2K');
      open = false;
    },
  };
}

/** How much of each of several files is here, as `showShare` shows it. */
export function showFetching() {
  let shown: { file: string; line: ReturnType<typeof showShare> } | undefined;
  const leave = () => shown?.line.leave();
  return {
    update(file: string, done: number, total: number): void {
      if (shown?.file !== file) {
        leave();
        shown = { file, line: showShare(`fetching ${file}`) };
      }
      shown.line.update(done, total, `${(done / 1e6).toFixed(0)} of ${(total / 1e6).toFixed(0)} MB`);
    },
    leave,
  };
}

/** 'warmup 3/2000  loss 3.36  crossEntropy 3.12  14 images/s  2 min 05 s left'; drops terms that do not fit. */
export function progressLine(name: string, progress: Progress, width: number): string {
  const { step, steps, figures, heldOut, seconds, secondsLeft, imagesPerSecond } = progress;
  const shown = Object.entries(figures).filter(([name]) => !quiet.includes(name));
  if (heldOut?.['loss'] !== undefined) shown.splice(1, 0, ['held-out', heldOut['loss']]); // after the loss
  const terms = shown.map(
    ([name, value]) => `${name} ${Math.abs(value) >= 10 ? value.toFixed(1) : value.toPrecision(3)}`,
  );
  const time = step < steps ? `${minutes(secondsLeft)} left` : `in ${minutes(seconds)}`;
  return fitting([`${name} ${step}/${steps}`, ...terms], [`${imagesPerSecond.toFixed(0)} images/s`, time], width);
}

const minutes = (seconds: number): string => {
  const s = Math.max(0, Math.round(seconds));
  return s < 60 ? `${s} s` : `${Math.floor(s / 60)} min ${String(s % 60).padStart(2, '0')} s`;
};

/** Drops the last of the first parts until the line fits: a wrapped line cannot be overwritten. */
function fitting(first: readonly string[], last: readonly string[], width: number): string {
  const line = [...first, ...last].join('  ');
  if (line.length <= width || first.length === 1) return line.slice(0, width);
  return fitting(first.slice(0, -1), last, width);
}
