/** runs/NAME/log.jsonl: one line of JSON for each update of each stage. */
import fs, { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';

export class RunLog {
  readonly #path: string;
  readonly #stage: string;
  readonly #earlier: number; // lines of earlier sessions

  constructor(folder: string, stage: string) {
    this.#path = join(folder, 'log.jsonl');
    this.#stage = stage;
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : '';
    if (text !== '' && !text.endsWith('\n')) this.#write(() => fs.appendFileSync(this.#path, '\n')); // a line was cut short
    this.#earlier = text === '' ? 0 : text.replace(/\n$/, '').split('\n').length;
  }

  /** JSON has no NaN, so such a figure is written as text ('NaN', 'Infinity') and not as null. */
  write(step: number, figures: Readonly<Record<string, number | string>>): void {
    const entry = { stage: this.#stage, step, ...figures };
    const line = JSON.stringify(entry, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x));
    this.#write(() => fs.appendFileSync(this.#path, `${line}\n`));
  }

  /**
   * Forgets what earlier sessions logged and this one has replaced: what this stage did after an update.
   *
   * @param all  of every stage, after any update
   */
  forgetEarlier(step: number, all = false): void {
    if (!existsSync(this.#path)) return;
    const lines = readFileSync(this.#path, 'utf8').trimEnd().split('\n');
    const kept = lines.filter((line, i) => {
      const entry = parsed(line);
      return entry && (i >= this.#earlier || (!all && (entry.stage !== this.#stage || entry.step <= step)));
    });
    if (kept.length === lines.length) return;
    const text = new TextEncoder().encode(kept.map((line) => `${line}\n`).join(''));
    this.#write(() => writeFileAtomic(this.#path, [text]));
  }

  /** @throws CheckpointError when the disk is full or the folder cannot be written to */
  #write(action: () => void): void {
    try {
      action();
    } catch (error) {
      throw new CheckpointError(
        `${this.#path}: expected to write to the log, got ${(error as Error).message}. Free some space or check permissions, then go on with --resume.`,
        { cause: error },
      );
    }
  }
}

/** Nothing for a line that was cut short when its program was killed. */
function parsed(line: string): { stage: string; step: number } | undefined {
  try {
    return JSON.parse(line) as { stage: string; step: number };
  } catch {
    return undefined;
  }
}
