/** Leaves unlikely tokens out before one is drawn: top-k and top-p (nucleus) sampling. */

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
 * @see Fan et al. 2018, arXiv:1805.04833 (top-k); Holtzman et al. 2020, arXiv:1904.09751, section 3.1 (top-p)
 */
export function keepLikeliest(logits: ArrayLike<number>, topK: number, topP: number): ArrayLike<number> {
  const most = topK === 0 ? logits.length : topK;
  if (most >= logits.length && topP >= 1) return logits;
  const order = Int32Array.from({ length: logits.length }, (_, v) => v).sort((a, b) => logits[b] - logits[a] || a - b);
  const weights = Float64Array.from(order, (v) => Math.exp(logits[v] - logits[order[0]]));
  const enough = topP * weights.reduce((sum, w) => sum + w, 0);
  const kept = new Float32Array(logits.length).fill(-Infinity);
  let sum = 0;
  for (let n = 0; n < most && (n === 0 || topP >= 1 || sum < enough); n++) {
    kept[order[n]] = logits[order[n]];
    sum += weights[n];
  }
  return kept;
}
