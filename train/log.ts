/** runs/NAME/log.jsonl: a line of JSON for each update of each stage, and one for each look at held-out images. */
import fs from 'node:fs';
import { join } from 'node:path';
import { CheckpointError } from '../core/index.ts';
import { writeFileAtomic } from '../data/index.ts';
import { type StageName, stageNames } from './stage.ts';

/** Figures by name, such as loss, psnr and learningRate. JSON has no NaN or infinity: the log has them as text. */
export type LogFigures = Readonly<Record<string, number>>;

/** One update, as logged: `{"stage":"warmup","step":1,"seconds":0.07,"loss":6.2,…}` */
export interface LoggedUpdate {
  readonly step: number;
  /** Training time of the stage so far. */
  readonly seconds: number;
  readonly figures: LogFigures;
  /** What a guard noticed. */
  readonly warning?: string;
}

/** One look at held-out images: `{"heldOut":"warmup","step":100,"images":64,"loss":4.9,…}` */
export interface LoggedHeldOut {
  /** Updates done. */
  readonly step: number;
  readonly figures: LogFigures;
}

/** What the log says about one stage, by rising steps. */
export interface StageLog {
  readonly updates: readonly LoggedUpdate[];
  readonly heldOut: readonly LoggedHeldOut[];
}

/**
 * Reads a run's log, stage by stage in the order of training. Of an update that was done again, the latest entry counts, and
 * what followed the earlier one does not. Lines that were cut short or are no entries are passed over.
 *
 * @returns an empty map when the run has no log
 * @throws CheckpointError when it cannot be read
 */
export function readLog(folder: string): ReadonlyMap<StageName, StageLog> {
  const path = join(folder, 'log.jsonl');
  const found = new Map<StageName, { updates: LoggedUpdate[]; heldOut: LoggedHeldOut[] }>();
  for (const line of linesOf(path)) {
    const entry = parsed(line);
    const stage = entry && stageNames.find((name) => name === ownerOf(entry));
    if (!entry || !stage || !Number.isSafeInteger(entry.step)) continue;
    if (!found.has(stage)) found.set(stage, { updates: [], heldOut: [] });
    const { updates, heldOut } = found.get(stage)!;
    const { stage: _, heldOut: isHeldOut, step, seconds, images: __, error, warning, ...figures } = entry;
    dropFrom(heldOut, step);
    if (isHeldOut === undefined) dropFrom(updates, step);
    if (error !== undefined) continue;
    if (isHeldOut !== undefined) heldOut.push({ step, figures: numbers(figures) });
    else {
      const update = { step, seconds: Number(seconds ?? Number.NaN), figures: numbers(figures) };
      updates.push(typeof warning === 'string' ? { ...update, warning } : update);
    }
  }
  return new Map(stageNames.flatMap((name) => (found.has(name) ? [[name, found.get(name)!] as const] : [])));
}

function dropFrom(entries: { readonly step: number }[], step: number): void {
  while (entries.length > 0 && entries[entries.length - 1].step >= step) entries.pop();
}

/** Figures as numbers again: 'NaN', 'Infinity'. What is no number is left out. */
function numbers(figures: Readonly<Record<string, unknown>>): LogFigures {
  const nonFinite = ['NaN', 'Infinity', '-Infinity'];
  const isFigure = (x: unknown) => typeof x === 'number' || nonFinite.includes(x as string);
  return Object.fromEntries(
    Object.entries(figures)
      .filter(([, x]) => isFigure(x))
      .map(([name, x]) => [name, Number(x)]),
  );
}

/** Writes what one stage logs. */
export class RunLog {
  readonly #path: string;
  readonly #stage: string;
  readonly #earlier: number; // lines of earlier sessions

  /** @param saved  updates of this stage that its checkpoint holds */
  constructor(folder: string, stage: string, saved = 0) {
    this.#path = join(folder, 'log.jsonl');
    this.#stage = stage;
    const text = textOf(this.#path);
    if (text !== '' && !text.endsWith('\n')) this.#write(() => fs.appendFileSync(this.#path, '\n')); // a line was cut short
    this.#forgetRepeated(saved);
    this.#earlier = linesOf(this.#path).length;
  }

  /** An update, or the error in its place. */
  write(step: number, figures: Readonly<Record<string, number | string>>): void {
    this.#append({ stage: this.#stage, step, ...figures });
  }

  /** A look at held-out images. Readers that know updates only find no `stage` in it. */
  writeHeldOut(step: number, images: number, figures: LogFigures): void {
    this.#append({ heldOut: this.#stage, step, images, ...figures });
  }

  /** JSON has no NaN, so such a figure is written as text ('NaN', 'Infinity') and not as null. */
  #append(entry: object): void {
    const line = JSON.stringify(entry, (_, x) => (typeof x === 'number' && !Number.isFinite(x) ? String(x) : x));
    this.#write(() => fs.appendFileSync(this.#path, `${line}\n`));
  }

  /**
   * Forgets what earlier sessions logged and this one has replaced: what this stage did after an update.
   *
   * @param all  of every stage, after any update
   */
  forgetEarlier(step: number, all = false): void {
    this.#keep((entry, i) => i >= this.#earlier || (!all && (ownerOf(entry) !== this.#stage || entry.step <= step)));
  }

  /**
   * Keeps the latest entry of either kind for each update that is saved. There are several when a session was killed after
   * it had saved what it did again, and before it could forget what was logged the first time.
   */
  #forgetRepeated(saved: number): void {
    const isSaved = (entry: Entry) => ownerOf(entry) === this.#stage && entry.step <= saved;
    const keyOf = ({ heldOut, step }: Entry) => `${heldOut === undefined ? 'update' : 'held-out'} ${step}`;
    const latest = new Map<string, number>();
    for (const [i, line] of linesOf(this.#path).entries()) {
      const entry = parsed(line);
      if (entry && isSaved(entry)) latest.set(keyOf(entry), i);
    }
    this.#keep((entry, i) => !isSaved(entry) || latest.get(keyOf(entry)) === i);
  }

  /** Leaves out the entries for which `holds` is false, and lines that were cut short. */
  #keep(holds: (entry: Entry, line: number) => boolean): void {
    const lines = linesOf(this.#path);
    const kept = lines.filter((line, i) => {
      const entry = parsed(line);
      return entry && holds(entry, i);
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

interface Entry {
  /** Of an update. */
  readonly stage?: string;
  /** The stage that looked at held-out images. */
  readonly heldOut?: string;
  readonly step: number;
  readonly [more: string]: unknown;
}

const ownerOf = ({ stage, heldOut }: Entry): string | undefined => heldOut ?? stage;

/** '' where there is no log. @throws CheckpointError when something else has its name, or it cannot be read */
function textOf(path: string): string {
  try {
    return fs.readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return '';
    throw new CheckpointError(
      `${path}: expected the log of a run, got ${(error as Error).message}. Move away what is there.`,
      { cause: error },
    );
  }
}

function linesOf(path: string): string[] {
  const text = textOf(path).trimEnd();
  return text === '' ? [] : text.split('\n');
}

/** Nothing for a line that was cut short when its program was killed. */
function parsed(line: string): Entry | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === 'object' && value !== null ? (value as Entry) : undefined;
  } catch {
    return undefined;
  }
}
