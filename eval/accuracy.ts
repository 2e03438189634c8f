/** How many guesses of a classifier are right. */

/**
 * Mean over classes of the share of their rows that are guessed right, so that frequent classes count no more than rare ones.
 *
 * @param guesses  [rows]
 * @param labels   [rows]; classes without a row do not count
 * @returns 0..1, or NaN without rows
 * @throws RangeError unless there is a guess for each label
 */
export function balancedAccuracy(guesses: ArrayLike<number>, labels: ArrayLike<number>): number {
  if (guesses.length !== labels.length) {
    throw new RangeError(`balancedAccuracy: expected ${labels.length} guesses, got ${guesses.length}.`);
  }
  const [right, all] = [new Map<number, number>(), new Map<number, number>()];
  for (let row = 0; row < labels.length; row++) {
    const label = labels[row];
    all.set(label, (all.get(label) ?? 0) + 1);
    right.set(label, (right.get(label) ?? 0) + Number(guesses[row] === label));
  }
  const shares = Array.from(all, ([label, n]) => right.get(label)! / n);
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
