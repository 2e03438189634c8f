/** Fréchet distance between two sets of feature vectors; with Inception's features it is FID. */
import { symmetricEigen } from '../core/index.ts';
import { choleskyFactor } from './cholesky.ts';
import { expectCount, expectFinite } from './expect.ts';

/**
 * Mean and covariance of feature vectors that arrive in batches, in float64.
 *
 *   const real = new FrechetStatistics(96).add(features); // features [count, 96], row-major
 *   frechetDistance(real, generated);
 */
export class FrechetStatistics {
  readonly dim: number;
  /** Σ (x − mean)(x − mean)ᵀ over all vectors so far, upper triangle. */
  readonly #scatter: Float64Array; // [dim, dim]
  readonly #mean: Float64Array; // [dim]
  #count = 0;

  /**
   * @param dim  features of a vector
   * @throws RangeError unless it is a whole number above 0
   */
  constructor(dim: number) {
    expectCount('FrechetStatistics', 'features', dim);
    this.dim = dim;
    this.#scatter = new Float64Array(dim * dim);
    this.#mean = new Float64Array(dim);
  }

  /**
   * Adds vectors by Welford's update, one row at a time: sums of squares would cancel where a mean is large.
   *
   * @param features  [count, dim], row-major
   * @throws RangeError unless whole rows are given
   */
  add(features: ArrayLike<number>): this {
    const { dim } = this;
    if (features.length % dim !== 0) {
      throw new RangeError(`FrechetStatistics: expected rows of ${dim} features, got ${features.length} values.`);
    }
    const [mean, scatter] = [this.#mean, this.#scatter];
    const before = new Float64Array(dim);
    const after = new Float64Array(dim);
    for (let row = 0; row < features.length; row += dim) {
      this.#count++;
      for (let i = 0; i < dim; i++) {
        const x = features[row + i];
        before[i] = x - mean[i];
        mean[i] += before[i] / this.#count;
        after[i] = x - mean[i];
      }
      for (let i = 0; i < dim; i++) {
        const scale = before[i];
        for (let j = i; j < dim; j++) scatter[i * dim + j] += scale * after[j];
      }
    }
    return this;
  }

  /** Vectors so far. */
  get count(): number {
    return this.#count;
  }
  /** A copy, [dim]. */
  get mean(): Float64Array {
    return this.#mean.slice();
  }
  /** [dim, dim], row-major, with N − 1 in the denominator. @throws RangeError before the second vector */
  get covariance(): Float64Array {
    const { dim } = this;
    if (this.#count < 2)
      throw new RangeError(`FrechetStatistics: expected at least 2 feature vectors, got ${this.#count}.`);
    const out = new Float64Array(dim * dim);
    for (let i = 0; i < dim; i++) {
      for (let j = i; j < dim; j++) {
        const value = this.#scatter[i * dim + j] / (this.#count - 1);
        out[i * dim + j] = value;
        out[j * dim + i] = value;
      }
    }
    return out;
  }
}

/** A Gaussian, such as `FrechetStatistics`. */
export interface Gaussian {
  readonly dim: number;
  readonly mean: Float64Array; // [dim]
  readonly covariance: Float64Array; // [dim, dim]
}

/**
 * Fréchet distance between two Gaussians.
 *
 *   |μ₁ − μ₂|² + tr Σ₁ + tr Σ₂ − 2 tr (Σ₁ Σ₂)^½
 *
 * Needs no matrix root: with Σ₁ = L Lᵀ, the matrix Lᵀ Σ₂ L is symmetric and has the eigenvalues of Σ₁ Σ₂, and the trace of
 * the root is the sum of their roots. So singular covariances give no complex numbers either.
 *
 * @returns ≥ 0, up to rounding; 0 for equal Gaussians
 * @throws RangeError when dimensions differ or values are not finite
 *
 * @see Heusel et al. 2017, arXiv:1706.08500
 */
export function frechetDistance(a: Gaussian, b: Gaussian): number {
  if (a.dim !== b.dim) {
    throw new RangeError(`frechetDistance: expected features of one size, got ${a.dim} and ${b.dim}.`);
  }
  const n = a.dim;
  const [mean1, mean2, s1, s2] = [a.mean, b.mean, a.covariance, b.covariance];
  for (const mean of [mean1, mean2]) expectFinite('frechetDistance', 'means', mean);
  for (const covariance of [s1, s2]) expectFinite('frechetDistance', 'covariances', covariance);
  const { values } = symmetricEigen(congruent(choleskyFactor(s1, n), s2, n));
  let distance = 0;
  for (let i = 0; i < n; i++) {
    distance += (mean1[i] - mean2[i]) ** 2 + s1[i * n + i] + s2[i * n + i] - 2 * Math.sqrt(Math.max(0, values[i]));
  }
  return distance;
}

/** Rows of Lᵀ S L, made exactly symmetric. */
function congruent(l: Float64Array, s: Float64Array, n: number): Float64Array[] {
  const y = product(transposed(l, n), product(s, l, n), n);
  return Array.from({ length: n }, (_, i) =>
    Float64Array.from({ length: n }, (_, j) => 0.5 * (y[i * n + j] + y[j * n + i])),
  );
}

/** a b for square matrices. */
function product(a: Float64Array, b: Float64Array, n: number): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let k = 0; k < n; k++) {
      const x = a[i * n + k];
      if (x !== 0) for (let j = 0; j < n; j++) out[i * n + j] += x * b[k * n + j];
    }
  }
  return out;
}

const transposed = (a: Float64Array, n: number): Float64Array => a.map((_, at) => a[(at % n) * n + Math.floor(at / n)]);
