/** Checks of what metrics are given: a wrong label or a NaN would give a number that looks right. */

/** @throws RangeError 'where: expected a whole number of classes above 0, got 1.5.' */
export function expectCount(where: string, what: string, count: number): void {
  if (Number.isInteger(count) && count > 0) return;
  throw new RangeError(`${where}: expected a whole number of ${what} above 0, got ${count}.`);
}

/** @throws RangeError 'where: expected finite features, got NaN at position 3.' */
export function expectFinite(where: string, what: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i])) {
      throw new RangeError(`${where}: expected finite ${what}, got ${values[i]} at position ${i}.`);
    }
  }
}

/** @throws RangeError 'where: expected labels in 0..1, got 2 at position 0.' */
export function expectLabels(where: string, labels: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i];
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new RangeError(`${where}: expected labels in 0..${classes - 1}, got ${label} at position ${i}.`);
    }
  }
}
