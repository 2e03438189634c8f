/** Finding NaN and infinity among values. */

/** The index of the first value that is NaN or infinite; −1 when all are finite. */
export function firstNonFiniteIndex(values: ArrayLike<number>): number {
  for (let i = 0; i < values.length; i++) if (values[i] - values[i] !== 0) return i;
  return -1;
}
