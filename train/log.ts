/** runs/NAME/log.jsonl: one line of JSON for each update of each stage. */
import fs, { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';

export class RunLog {
  readonly #path: string;
  readonly #stage: string;
  readonly #earlier: number; // lines of earlier sessions

  /** @param saved  updates of this stage that its checkpoint holds */
  constructor(folder: string, stage: string, saved = 0) {
    this.#path = join(folder, 'log.jsonl');
    this.#stage = stage;
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8') : '';
    if (text !== '' && !text.endsWith('\n')) this.#write(() => fs.appendFileSync(this.#path, '\n')); // a line was cut short
    this.#forgetRepeated(saved);
    this.#earlier = this.#lines().length;
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
    this.#keep((entry, i) => i >= this.#earlier || (!all && (entry.stage !== this.#stage || entry.step <= step)));
  }

  /**
   * Keeps the latest entry for each update that is saved. There are several when a session was killed after it had saved
   * what it did again, and before it could forget what was logged the first time.
   */
  #forgetRepeated(saved: number): void {
    const isSaved = (entry: Entry) => entry.stage === this.#stage && entry.step <= saved;
    const latest = new Map<number, number>();
    for (const [i, line] of this.#lines().entries()) {
      const entry = parsed(line);
      if (entry && isSaved(entry)) latest.set(entry.step, i);
    }
    this.#keep((entry, i) => !isSaved(entry) || latest.get(entry.step) === i);
  }

  /** Leaves out the entries for which `holds` is false, and lines that were cut short. */
  #keep(holds: (entry: Entry, line: number) => boolean): void {
    const lines = this.#lines();
    const kept = lines.filter((line, i) => {
      const entry = parsed(line);
      return entry && holds(entry, i);
    });
    if (kept.length === lines.length) return;
    const text = new TextEncoder().encode(kept.map((line) => `${line}\n`).join(''));
    this.#write(() => writeFileAtomic(this.#path, [text]));
  }

  #lines(): string[] {
    const text = existsSync(this.#path) ? readFileSync(this.#path, 'utf8').trimEnd() : '';
    return text === '' ? [] : text.split('\n');
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

interface Entry {
  readonly stage: string;
  readonly step: number;
}

/** Nothing for a line that was cut short when its program was killed. */
function parsed(line: string): Entry | undefined {
  try {
    return JSON.parse(line) as Entry;
  } catch {
    return undefined;
  }
}
