/** Fréchet distance between two sets of feature vectors, as FID measures it on Inception features. */
import { product, symmetricEigen, symmetricRoot } from './eigen.ts';

/**
 * Mean and covariance of feature vectors that arrive in batches, in float64.
 *
 *   const real = new FrechetStatistics(96).add(features);      // features [count, 96], row-major
 *   frechetDistance(real, generated)
 */
export class FrechetStatistics {
  readonly dim: number;
  /** Σ (x − mean)(x − mean)ᵀ over what was seen, upper triangle. */
  readonly #scatter: Float64Array; // [dim, dim]
  readonly #mean: Float64Array; // [dim]
  #count = 0;

  constructor(dim: number) {
    this.dim = dim;
    this.#scatter = new Float64Array(dim * dim);
    this.#mean = new Float64Array(dim);
  }

  /** Welford's update, one row at a time: sums of squares would cancel where a mean is large. */
  add(features: ArrayLike<number>): this {
    const { dim } = this;
    if (features.length % dim !== 0) {
      throw new RangeError(`FrechetStatistics: expected rows of ${dim} features, got ${features.length} values.`);
    }
    const before = new Float64Array(dim);
    const after = new Float64Array(dim);
    for (let row = 0; row < features.length; row += dim) {
      this.#count++;
      for (let i = 0; i < dim; i++) {
        const x = features[row + i]!;
        before[i] = x - this.#mean[i]!;
        this.#mean[i]! += before[i]! / this.#count;
        after[i] = x - this.#mean[i]!;
      }
      for (let i = 0; i < dim; i++) {
        const scale = before[i]!;
        for (let j = i; j < dim; j++) this.#scatter[i * dim + j]! += scale * after[j]!;
      }
    }
    return this;
  }

  get count(): number {
    return this.#count;
  }
  get mean(): Float64Array {
    return this.#mean.slice();
  }
  /** With N − 1 in the denominator. @throws RangeError before the second vector */
  get covariance(): Float64Array {
    const { dim } = this;
    if (this.#count < 2)
      throw new RangeError(`FrechetStatistics: expected at least 2 feature vectors, got ${this.#count}.`);
    const out = new Float64Array(dim * dim);
    for (let i = 0; i < dim; i++) {
      for (let j = i; j < dim; j++) {
        const value = this.#scatter[i * dim + j]! / (this.#count - 1);
        out[i * dim + j] = value;
        out[j * dim + i] = value;
      }
    }
    return out;
  }
}

/** A Gaussian: all that the distance looks at. */
export interface Gaussian {
  readonly dim: number;
  readonly mean: Float64Array; // [dim]
  readonly covariance: Float64Array; // [dim, dim]
}

/**
 *   |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½
 *
 * Σ₁ Σ₂ is not symmetric, but it has the eigenvalues of Σ₁^½ Σ₂ Σ₁^½, which is; the trace of the root is the sum of
 * their roots. No iteration for a matrix root, and nothing complex, even when both covariances are singular.
 *
 * @see Heusel et al. 2017, arXiv:1706.08500
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  if (a.dim !== b.dim)
    throw new RangeError(`frechetDistance: expected features of one size, got ${a.dim} and ${b.dim}.`);
  const n = a.dim;
  const [s1, s2] = [a.covariance, b.covariance];
  const root = symmetricRoot(s1, n);
  const { values } = symmetricEigen(symmetrized(product(product(root, s2, n), root, n), n), n);
  let distance = 0;
  const [mean1, mean2] = [a.mean, b.mean];
  for (let i = 0; i < n; i++) {
    distance += (mean1[i]! - mean2[i]!) ** 2 + s1[i * n + i]! + s2[i * n + i]! - 2 * Math.sqrt(Math.max(0, values[i]!));
  }
  return distance;
}

/** (A + Aᵀ) / 2: removes what rounding left. */
const symmetrized = (a: Float64Array, n: number): Float64Array =>
  a.map((x, at) => 0.5 * (x + a[(at % n) * n + Math.floor(at / n)]!));
