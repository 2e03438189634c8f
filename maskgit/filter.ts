/** Leaves unlikely tokens out before one is drawn: top-k and top-p (nucleus) sampling. */
import { expectOption } from '../core/index.ts';

/**
 * Sets the logits of all but the likeliest tokens to −∞.
 *
 *   top-k  keeps the k largest logits
 *   top-p  keeps the fewest largest ones whose probabilities, softmax(logits), sum to at least p
 *
 * With both, a token must pass both; of equal logits the smaller id goes first. At least one token is kept.
 *
 * @param logits  [V], unchanged
 * @param topK    0: all tokens
 * @param topP    1: all tokens
 * @returns       [V]; `logits` itself where nothing is left out
 * @throws OptionError unless topK is a whole number ≥ 0 and topP a number > 0 and ≤ 1
 * @see Fan et al. 2018, arXiv:1805.04833 (top-k); Holtzman et al. 2020, arXiv:1904.09751, section 3.1 (top-p)
 */
export function keepLikeliest(logits: ArrayLike<number>, topK: number, topP: number): ArrayLike<number> {
  expectFilter('keepLikeliest', topK, topP);
  const most = topK === 0 ? logits.length : topK;
  if (most >= logits.length && topP >= 1) return logits;
  const ascending = Float64Array.from(logits).sort();
  const count = topP < 1 ? Math.min(most, nucleusOf(ascending, topP)) : most;
  const least = ascending[ascending.length - count];
  let equal = count - (ascending.length - 1 - ascending.lastIndexOf(least)); // that many of the least ones are kept
  return Float32Array.from(logits, (x) => (x > least || (x === least && equal-- > 0) ? x : -Infinity));
}

/** @throws OptionError unless topK is a whole number ≥ 0 and topP a number > 0 and ≤ 1 */
export function expectFilter(where: string, topK: number, topP: number): void {
  expectOption(Number.isInteger(topK) && topK >= 0, `${where} topK`, 'a whole number ≥ 0', topK);
  expectOption(topP > 0 && topP <= 1, `${where} topP`, 'a number > 0 and ≤ 1', topP);
}

/** How many of the largest logits have probabilities that sum to at least `topP`; at least 1. */
function nucleusOf(ascending: Float64Array, topP: number): number {
  const largest = ascending[ascending.length - 1];
  const enough = topP * ascending.reduceRight((sum, x) => sum + Math.exp(x - largest), 0);
  let count = 0;
  for (let sum = 0; count < ascending.length && (count === 0 || sum < enough); count++)
    sum += Math.exp(ascending[ascending.length - 1 - count] - largest);
  return count;
}
