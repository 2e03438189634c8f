/** What was left out of a dataset: counted by reason, with a few names. */

/** Files or images that are not in a dataset, for one reason. */
export interface LeftOut {
  /** 'hidden', 'not pictures'. */
  readonly reason: string;
  readonly count: number;
  /** The first ten names. */
  readonly examples: readonly string[];
}

const kept = 10;
const shown = 3;

/** Counts what is left out while a folder is read. */
export class LeftOutCounter {
  readonly #byReason = new Map<string, { count: number; examples: string[] }>();

  /** @param count  files that `name`, a folder, stands for */
  add(reason: string, name: string, count = 1): void {
    if (count === 0) return;
    const entry = this.#byReason.get(reason) ?? { count: 0, examples: [] };
    entry.count += count;
    if (entry.examples.length < kept) entry.examples.push(name);
    this.#byReason.set(reason, entry);
  }

  get list(): LeftOut[] {
    return [...this.#byReason].map(([reason, entry]) => ({ reason, ...entry }));
  }
}

/**
 * 'left out – hidden: 2 (.a.png, .b.png); not pictures: 8 (a.txt, b.txt, c.txt, …)', or undefined when nothing was.
 * @param leftOut  of a dataset
 */
export function describeLeftOut(leftOut: readonly LeftOut[] = [], what = 'left out'): string | undefined {
  if (leftOut.length === 0) return undefined;
  const parts = leftOut.map(({ reason, count, examples }) => {
    const names = examples.slice(0, shown);
    return `${reason}: ${count.toLocaleString('en')} (${[...names, ...(count > names.length ? ['…'] : [])].join(', ')})`;
  });
  return `${what} – ${parts.join('; ')}`;
}
