/** Error classes, one per kind of input. Messages read `where: expected …, got … . Repair.` */

/** Shapes do not fit each other, or the op. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

/** A device is missing, lost or out of memory, or a tensor is on the wrong one or freed. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}

/** A device has no room for a tensor. What fits at a time is less: a smaller batch, or one in parts. */
export class OutOfMemoryError extends DeviceError {
  override name = 'OutOfMemoryError';
}

/** A setting is unknown, out of range, or contradicts another one. */
export class OptionError extends Error {
  override name = 'OptionError';
}

/** A checkpoint cannot be read, or does not fit the model. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
}

/** An image, an image folder or a dataset cannot be used. */
export class DataError extends Error {
  override name = 'DataError';
}

/** Checks an option. @throws OptionError 'where: expected …, got … . repair' when it does not hold */
export function expectOption(
  holds: boolean,
  where: string,
  expected: string,
  got: unknown,
  repair = '',
): asserts holds {
  if (holds) return;
  const shown = typeof got === 'object' && got !== null ? JSON.stringify(got) : String(got);
  throw new OptionError(`${where}: expected ${expected}, got ${shown}.${repair && ` ${repair}`}`);
}

/**
 * Checks the names of options. JavaScript ignores an option that nothing reads, and the default then hides the mistake; so it does
 * with a plain value where options belong, such as `new Linear(2, 3, rng, false)`.
 *
 * @throws OptionError that lists the known ones
 */
export function expectKnown(where: string, options: object, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null)
    throw new OptionError(
      `${where}: expected options ${known.join(', ')} in an object, got ${options === null ? 'null' : `${kindOf(options)}, ${options}`}.`,
    );
  const unknown = Object.keys(options).find((name) => !known.includes(name));
  if (unknown === undefined) return;
  throw new OptionError(
    `${where}: expected options ${known.join(', ')}, got '${unknown}'${suggestion(unknown, known)}.`,
  );
}

/**
 * What a callback returned, which must not be a promise: the code after an await would run when `where` is over.
 *
 * @throws TypeError
 */
export function expectNoPromise<T>(where: string, result: T): T {
  if (!(result instanceof Promise)) return result;
  result.catch(() => {}); // this error says what is wrong
  throw new TypeError(
    `${where}: expected a synchronous function, got one that returns a promise. Await before or after it.`,
  );
}

/** What a value is, for messages: 'an array', 'undefined', 'a string'. */
export function kindOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (Array.isArray(value)) return 'an array';
  const name = typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value;
  return `${/^[aeiou]/i.test(name) ? 'an' : 'a'} ${name}`;
}

/** " (did you mean 'ln_1.weight'?)", or nothing when no candidate is close. */
export function suggestion(name: string, candidates: readonly string[]): string {
  const near = nearest(name, candidates);
  return near ? ` (did you mean '${near}'?)` : '';
}

/** The candidate with the fewest edits from `name`, if they are few compared with its length. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  let best: string | undefined;
  let fewest = Math.max(2, Math.floor(name.length / 4)) + 1;
  for (const candidate of candidates) {
    if (Math.abs(candidate.length - name.length) >= fewest) continue;
    const count = editDistance(name, candidate);
    if (count < fewest) [best, fewest] = [candidate, count];
  }
  return best;
}

/** Levenshtein distance: the fewest insertions, deletions and replacements that turn a into b. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
