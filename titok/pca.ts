/** Principal components of a few dozen dimensions, in plain JavaScript. */

export interface PrincipalComponents {
  /** [dim] */
  readonly mean: Float64Array;
  /** Orthonormal rows, largest variance first: count × [dim] */
  readonly components: readonly Float64Array[];
  /** Variance along each component. */
  readonly variances: readonly number[];
}

/** @param rows samples [n, dim], row by row */
export function principalComponents(rows: ArrayLike<number>, dim: number, count: number): PrincipalComponents {
  const n = rows.length / dim;
  const mean = new Float64Array(dim);
  for (let i = 0; i < rows.length; i++) mean[i % dim] += rows[i] / n;
  const covariance = Array.from({ length: dim }, () => new Float64Array(dim));
  const centerd = new Float64Array(dim);
  for (let r = 0; r < n; r++) {
    for (let i = 0; i < dim; i++) centerd[i] = rows[r * dim + i] - mean[i];
    for (let i = 0; i < dim; i++) {
      const row = covariance[i];
      for (let j = 0; j < dim; j++) row[j] += (centerd[i] * centerd[j]) / n;
    }
  }
  const { values, vectors } = symmetricEigen(covariance);
  const order = [...values.keys()].sort((a, b) => values[b] - values[a]).slice(0, count);
  return { mean, components: order.map((i) => vectors[i]), variances: order.map((i) => values[i]) };
}

/** Eigenvalues and eigenvectors (as rows) of a symmetric matrix, by cyclic Jacobi rotations. */
export function symmetricEigen(matrix: readonly Float64Array[]): { values: number[]; vectors: Float64Array[] } {
  const n = matrix.length;
  const a = matrix.map((row) => Float64Array.from(row));
  const vectors = a.map((_, i) => Float64Array.from({ length: n }, (_, j) => (i === j ? 1 : 0)));
  const scale = a.reduce((s, row) => s + row.reduce((t, v) => t + v * v, 0), 0);
  for (let sweep = 0; sweep < 60; sweep++) {
    let off = 0;
    for (let p = 0; p < n; p++) for (let q = 0; q < p; q++) off += a[p][q] ** 2;
    if (off <= 1e-24 * scale) break;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) rotate(a, vectors, p, q);
  }
  return { values: a.map((row, i) => row[i]), vectors };
}

/** The rotation of axes p and q that makes a[p][q] zero. */
function rotate(a: Float64Array[], vectors: Float64Array[], p: number, q: number): void {
  const apq = a[p][q];
  if (apq === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * apq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (const row of a) {
    const [x, y] = [row[p], row[q]];
    row[p] = c * x - s * y;
    row[q] = s * x + c * y;
  }
  for (const m of [a, vectors]) {
    const [u, v] = [m[p], m[q]];
    for (let k = 0; k < u.length; k++) {
      const [x, y] = [u[k], v[k]];
      u[k] = c * x - s * y;
      v[k] = s * x + c * y;
    }
  }
}
