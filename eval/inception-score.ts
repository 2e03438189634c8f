/** Inception score. */
import { expectCount } from './expect.ts';

/**
 * How clear samples are (each of one class) and how diverse (all classes appear), over one split of all samples.
 *
 *   exp(mean_n Σ_k p_nk (log(p_nk + ε) − log(p̄_k + ε))),   p = softmax(logits), p̄ its mean over all samples, ε = 1e-16
 *
 * @param logits  of a classifier, [samples, classes], row-major
 * @returns 1 (all samples alike, or all unclear) to `classes`
 * @throws RangeError unless whole rows are given, and each has probabilities: no NaN, and a largest logit that is finite
 * @see Salimans et al. 2016, arXiv:1606.03498
 */
export function inceptionScore(logits: ArrayLike<number>, classes: number): number {
  expectCount('inceptionScore', 'classes', classes);
  const samples = logits.length / classes;
  if (!Number.isInteger(samples) || samples === 0) {
    throw new RangeError(`inceptionScore: expected rows of ${classes} logits, got ${logits.length} values.`);
  }
  const probabilities = Array.from({ length: samples }, (_, n) => softmaxRow(logits, n * classes, classes));
  const marginal = new Float64Array(classes);
  for (const p of probabilities) for (let k = 0; k < classes; k++) marginal[k] += p[k] / samples;
  const divergence = (p: Float64Array) =>
    p.reduce((sum, value, k) => sum + value * (Math.log(value + 1e-16) - Math.log(marginal[k] + 1e-16)), 0);
  return Math.exp(probabilities.reduce((sum, p) => sum + divergence(p), 0) / samples);
}

function softmaxRow(logits: ArrayLike<number>, from: number, length: number): Float64Array {
  const row = Float64Array.from({ length }, (_, k) => logits[from + k]);
  const top = row.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = row.map((x) => Math.exp(x - top));
  const total = powers.reduce((a, b) => a + b, 0);
  if (!(total >= 1)) {
    const bad = row.find((x) => !Number.isFinite(x));
    throw new RangeError(`inceptionScore: expected finite logits, got ${bad} in row ${from / length}.`);
  }
  return powers.map((x) => x / total);
}
