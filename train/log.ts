/** runs/NAME/log.jsonl: one line of JSON for each update of each stage. */
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { writeFileAtomic } from '../data/index.ts';

export class RunLog {
  readonly #path: string;
  readonly #stage: string;

  constructor(folder: string, stage: string) {
    this.#path = join(folder, 'log.jsonl');
    this.#stage = stage;
  }

  /** JSON has no NaN, so such a figure is written as text ('NaN', 'Infinity') and not as null. */
  write(step: number, figures: Readonly<Record<string, number | string>>): void {
    const entry = { stage: this.#stage, step, ...figures };
    const line = JSON.stringify(entry, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x));
    appendFileSync(this.#path, `${line}\n`);
  }

  /** Forgets what this stage logged after an update: a resumed training repeats it. */
  forgetAfter(step: number): void {
    if (!existsSync(this.#path)) return;
    const lines = readFileSync(this.#path, 'utf8').split('\n');
    const kept = lines.filter((line) => {
      const entry = parsed(line);
      return entry && (entry.stage !== this.#stage || entry.step <= step);
    });
    writeFileAtomic(this.#path, [new TextEncoder().encode(kept.map((line) => `${line}\n`).join(''))]);
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
