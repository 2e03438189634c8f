/** Sampling by the Gumbel-max trick: the argmax of logits with Gumbel noise is a draw from their softmax. */

const TINY = 1e-20; // the published code's floor for the argument of both logarithms

const negativeLog = (x: number): number => -Math.log(Math.max(x, TINY));

/** G = −log(−log u) */
const gumbel = (u: number): number => negativeLog(negativeLog(u));

/** e^(−i/4) */
const DECAY = Float64Array.from({ length: 128 }, (_, i) => Math.exp(-i / 4));

/** Noise τ·G of one sampling step, indexed like the uniform numbers u that it is made from. */
export class GumbelNoise {
  readonly #temperature: number;
  readonly #uniforms: ArrayLike<number>;

  /**
   * @param temperature  τ; at 0 there is no noise, and nothing is drawn
   * @param draw         gives the uniform numbers of [0, 1)
   */
  constructor(temperature: number, draw: () => ArrayLike<number>) {
    this.#temperature = temperature;
    this.#uniforms = temperature === 0 ? [] : draw();
  }

  /** The noise at an index. */
  at(index: number): number {
    return this.#temperature === 0 ? 0 : this.#temperature * gumbel(this.#uniforms[index]);
  }

  /**
   * argmax_v (logits_v + noise at offset + v); the first of equals. NaN never wins.
   *
   * Two logarithms per logit are slow, so this runs an equivalent race, which the smallest t_v wins:
   *
   *   t_v = e^((top − score_v)/τ) = −log u · e^((top − logit_v)/τ)  ≥  (1 − u) · e^(⌊4 (top − logit_v)/τ⌋/4)
   *
   * For most v a table of powers shows that they arrive too late.
   */
  argmax(logits: ArrayLike<number>, offset: number): number {
    const temperature = this.#temperature;
    const uniforms = this.#uniforms;
    let best = 0;
    let top = -Infinity;
    for (let v = 0; v < logits.length; v++) {
      const logit = logits[v];
      if (logit > top) {
        best = v;
        top = logit;
      }
    }
    if (temperature === 0) return best;
    const quarters = 4 / temperature;
    let highest = -Infinity;
    let latest = Infinity; // the best time so far, rounded up
    for (let v = 0; v < logits.length; v++) {
      const u = uniforms[offset + v];
      if (1 - u > latest * DECAY[Math.min((top - logits[v]) * quarters, 127) | 0]) continue;
      const score = logits[v] + temperature * gumbel(u);
      if (score > highest) {
        best = v;
        highest = score;
        latest = 1.000001 * Math.exp((top - score) / temperature);
      }
    }
    return best;
  }
}
