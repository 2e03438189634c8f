/** A setting that does not fit: unknown, out of range, or at odds with another one. */
export class OptionError extends Error {
  override name = 'OptionError';
}

/** Throws OptionError in the reader's notation unless the condition holds. */
export function expectOption(
  holds: boolean,
  where: string,
  expected: string,
  got: unknown,
  repair = '',
): asserts holds {
  if (!holds) throw new OptionError(`${where}: expected ${expected}, got ${show(got)}.${repair && ` ${repair}`}`);
}

const show = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
