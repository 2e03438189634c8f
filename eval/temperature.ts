/** Temperature scaling: scores of a classifier as logits, whose softmax says how sure it is. */
import { expectFinite, expectLabels } from './expect.ts';

const [least, most] = [1e-3, 1e3];

/**
 * The factor β by which scores become logits: the one with the least mean cross-entropy. Which class is the largest stays.
 *
 *   β = argmin −mean_n log softmax(β s_n)[label_n],   found by halving an interval, as the function is convex
 *
 * @param scores  [rows, classes], row-major
 * @param labels  [rows], 0..classes−1
 * @returns β = 1 / temperature, within 1e-3..1e3: the larger end if every row is right
 * @throws RangeError unless there are `classes` finite scores for each label, and labels are classes
 * @see Guo et al. 2017, On Calibration of Modern Neural Networks, arXiv:1706.04599
 */
export function inverseTemperature(scores: ArrayLike<number>, labels: ArrayLike<number>, classes: number): number {
  if (labels.length === 0 || scores.length !== labels.length * classes) {
    throw new RangeError(
      `inverseTemperature: expected ${labels.length} rows of ${classes} scores, got ${scores.length} values.`,
    );
  }
  expectFinite('inverseTemperature', 'scores', scores);
  expectLabels('inverseTemperature', labels, classes);
  let [low, high] = [Math.log(least), Math.log(most)];
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (slope(scores, labels, classes, Math.exp(middle)) <= 0) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** Derivative of the mean cross-entropy: mean_n (Σ_k p_nk s_nk − s_n,label). */
function slope(scores: ArrayLike<number>, labels: ArrayLike<number>, classes: number, beta: number): number {
  let sum = 0;
  for (let row = 0; row < labels.length; row++) {
    const at = row * classes;
    let top = -Infinity;
    for (let k = 0; k < classes; k++) top = Math.max(top, scores[at + k]);
    let [total, weighted] = [0, 0];
    for (let k = 0; k < classes; k++) {
      const p = Math.exp(beta * (scores[at + k] - top));
      total += p;
      weighted += p * scores[at + k];
    }
    sum += weighted / total - scores[at + labels[row]];
  }
  return sum / labels.length;
}
