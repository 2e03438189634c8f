/** Eigenvalues and eigenvectors of symmetric matrices, in float64 on the host. */

/**
 * Cyclic Jacobi: rotates pairs of axes until the matrix is diagonal.
 *
 *   A = Σ_i values_i · vectors_i vectors_iᵀ,   with orthonormal vectors
 *
 * Takes some 50 ms at 96 × 96.
 *
 * @param matrix  n rows of n values, symmetric; not changed
 * @returns values, in no particular order; vectors, the eigenvector of each as a row
 * @throws RangeError when the matrix is not square, or holds NaN or an infinity
 * @see Golub and Van Loan, Matrix Computations, §8.5
 */
export function symmetricEigen(matrix: readonly Float64Array[]): { values: number[]; vectors: Float64Array[] } {
  const n = matrix.length;
  const odd = matrix.find((row) => row.length !== n);
  if (odd) throw new RangeError(`symmetricEigen: expected ${n} rows of ${n} values, got a row of ${odd.length}.`);
  if (!matrix.every((row) => row.every(Number.isFinite))) {
    throw new RangeError('symmetricEigen: expected finite values, got NaN or an infinity.');
  }
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

/** Rotates the axes p and q by the angle that makes a[p][q] zero. */
function rotate(a: Float64Array[], vectors: Float64Array[], p: number, q: number): void {
  const apq = a[p][q];
  if (apq === 0) return;
  const theta = (a[q][q] - a[p][p]) / (2 * apq);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1)); // tangent of the angle
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
