/** Principal components of a few dozen dimensions, in plain JavaScript. */
import { symmetricEigen } from '../core/index.ts';

/** Where samples vary most. */
export interface PrincipalComponents {
  /** [dim] */
  readonly mean: Float64Array;
  /** Orthonormal rows, largest variance first: count × [dim] */
  readonly components: readonly Float64Array[];
  /** Variance along each component. */
  readonly variances: readonly number[];
}

/**
 * The directions of largest variance.
 *
 * @param rows   samples [n, dim], row by row
 * @param count  how many components to return
 */
export function principalComponents(rows: ArrayLike<number>, dim: number, count: number): PrincipalComponents {
  const n = rows.length / dim;
  const mean = new Float64Array(dim);
  for (let i = 0; i < rows.length; i++) mean[i % dim] += rows[i] / n;
  const covariance = Array.from({ length: dim }, () => new Float64Array(dim));
  const centered = new Float64Array(dim);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < dim; i++) centered[i] = rows[r * dim + i] - mean[i];
    for (let i = 0; i < dim; i++) {
      const row = covariance[i];
      for (let j = 0; j < dim; j++) row[j] += (centered[i] * centered[j]) / n;
    }
  }
  const { values, vectors } = symmetricEigen(covariance);
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, count);
  return { mean, components: order.map((i) => vectors[i]), variances: order.map((i) => values[i]) };
}
